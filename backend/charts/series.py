"""What a line chart is asked to draw: figures with their intervals, in rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.charts.scales import Unit, count, percent

_FIGURE = ("value", "low", "high", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A figure at a place of the axis; ``name`` says which place. No value: the line is broken."""

    at: float
    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None

    @property
    def shown(self) -> bool:
        """Whether there is something to draw."""
        return self.value is not None and math.isfinite(self.value) and math.isfinite(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line. ``stepped``: a value holds up to the next one. ``bare``: without points."""

    name: str
    points: tuple[Point, ...]
    stepped: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A value that means something, as a line across."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at a place of the axis, or a place that means something."""

    name: str
    at: float
    kind: Literal["good", "bad", "plain"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """What to draw. ``empty`` says what it takes where no series has a value.

    Without ``across``, places are named by their points; with it the axis is a scale of numbers.
    ``least`` and ``most`` are ends that the figures cannot pass.
    """

    name: str
    title: str
    says: str
    empty: str
    series: tuple[Series, ...]
    place: str
    unit: Unit = percent
    across: Unit | None = None
    thresholds: tuple[Threshold, ...] = ()
    events: tuple[Event, ...] = ()
    least: float | None = None
    most: float | None = None
    log: bool = False
    notes: tuple[str, ...] = field(default=())


def points_of(figures: Sequence[tuple[str, Mapping[str, Any] | None]]) -> tuple[Point, ...]:
    """Points in a row, one after the other, from named estimates as reports keep them.

    >>> points_of([("2026-W01", {"value": 0.9, "low": 0.8, "high": 0.95, "n": 30})])[0].value
    0.9
    """
    return tuple(
        Point(at=place, name=name, **{key: (found or {}).get(key) for key in _FIGURE})
        for place, (name, found) in enumerate(figures)
    )


def told(value: float, low: float | None, high: float | None, n: int | None, unit: Unit) -> str:
    """A figure in words, with its interval and what it rests on.

    >>> told(0.934, 0.9, 0.961, 200, percent)
    '93.4 % (90 % to 96.1 %, n = 200)'
    """
    return f"{unit(value)}{beside(low, high, n, unit)}"


def beside(low: float | None, high: float | None, n: int | None, unit: Unit) -> str:
    """What stands beside a figure: its interval and what it rests on, as far as they are known.

    >>> beside(None, None, 200, percent)
    ' (n = 200)'
    """
    between = [] if low is None or high is None else [f"{unit(low)} to {unit(high)}"]
    rests = [] if n is None else [f"n = {count(n)}"]
    inside = ", ".join([*between, *rests])
    return f" ({inside})" if inside else ""
