"""A curve of shares with their intervals as the numbers that an SVG needs. Pure.

The template draws it: with classes alone, as the page allows no style in its markup.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 10, 24
_MOST_POINTS = 60
_MOST_NAMES = 8
# The axis begins at a multiple of it under everything that is shown.
_STEP = 0.05
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point with its interval, in the SVG's units; ``says`` is what it stands for."""

    x: float
    y: float
    low: float
    high: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Everything to draw: ``lines`` and ``bands`` are lists of points as SVG writes them.

    A line is broken where a period has no value. ``ticks`` are heights and ``names`` places with
    their text; ``baseline`` is a height, None without one.
    """

    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    names: tuple[tuple[float, str], ...]
    baseline: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def curve_of(
    points: Sequence[tuple[str, Mapping[str, Any]]], baseline: float | None
) -> Curve | None:
    """The curve of named estimates in their order, the newest 60; None where none has a value.

    >>> one = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 30}
    >>> found = curve_of([("2026-01", one), ("2026-02", one)], 0.95)
    >>> [mark.y for mark in found.marks], found.baseline, found.ticks[0]
    ([103.0, 103.0], 56.5, (196.0, '80 %'))
    """
    shown = points[-_MOST_POINTS:]
    known = [each for _, each in shown if each["value"] is not None]
    if not known:
        return None
    lowest = min([each["low"] for each in known] + ([] if baseline is None else [baseline]))
    floor = max(0.0, min(math.floor(lowest / _STEP + 1e-9) * _STEP, 1 - _STEP))
    places = _places(len(shown))
    runs = _runs(shown, places, floor)
    return Curve(
        marks=tuple(mark for run in runs for mark in run),
        lines=tuple(" ".join(f"{each.x},{each.y}" for each in run) for run in runs if len(run) > 1),
        bands=tuple(_band(run) for run in runs if len(run) > 1),
        ticks=tuple(
            (_height(share, floor), f"{share:.0%}".replace("%", " %")) for share in _ticks(floor)
        ),
        names=_names([name for name, _ in shown], places),
        baseline=None if baseline is None else _height(baseline, floor),
    )


def _runs(
    shown: Sequence[tuple[str, Mapping[str, Any]]], places: Sequence[float], floor: float
) -> list[list[Mark]]:
    """The points that follow each other without a gap."""
    runs: list[list[Mark]] = [[]]
    for (name, each), x in zip(shown, places, strict=True):
        if each["value"] is None:
            runs.append([])
            continue
        says = "{}: {:.1%} ({:.1%} to {:.1%}), n = {:,}".format(
            name, each["value"], each["low"], each["high"], each["n"]
        )
        heights = (_height(each[key], floor) for key in ("value", "low", "high"))
        y, low, high = heights
        runs[-1].append(Mark(x=x, y=y, low=low, high=high, says=says))
    return [run for run in runs if run]


def _places(count: int) -> list[float]:
    inner = WIDTH - _LEFT - _RIGHT
    return [round(_LEFT + inner * (place + 0.5) / count, 1) for place in range(count)]


def _height(share: float, floor: float) -> float:
    inside = (share - floor) / (1 - floor)
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - inside), 1)


def _ticks(floor: float) -> list[float]:
    steps = round((1 - floor) / _STEP)
    stride = math.ceil(steps / (_MOST_TICKS - 1))
    return [floor + step * _STEP for step in range(0, steps + 1, stride)]


def _names(names: Sequence[str], places: Sequence[float]) -> tuple[tuple[float, str], ...]:
    stride = math.ceil(len(names) / _MOST_NAMES)
    return tuple(list(zip(places, names, strict=True))[::stride])


def _band(run: Sequence[Mark]) -> str:
    along = [f"{each.x},{each.high}" for each in run]
    return " ".join([*along, *(f"{each.x},{each.low}" for each in reversed(run))])
