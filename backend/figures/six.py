"""The six figures of a loop as they stand now, each with its course over the weeks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from backend.charts.scales import Unit, coefficient, hours, percent
from backend.charts.series import told
from backend.charts.sparklines import sparkline
from backend.figures.gathered import Gathered, body

_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SixRow:
    """A figure in words with its course; ``wrong`` marks one that is not as it should be."""

    name: str
    now: str
    course: Markup
    wrong: bool = False


def six_rows(gathered: Gathered) -> list[SixRow]:
    """The rows; none before the figures were first put together."""
    six = body(gathered.six)
    if not six:
        return []
    now, weeks = six["now"], six["weeks"]
    rows = [_row(gathered, weeks, now, figure) for figure in _FIGURES]
    return [*rows, _drift(now.get("drift"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    key: str
    name: str
    unit: Unit
    of: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]


def _loop(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    total = (part.get("loop_seconds") or {}).get("total")
    if not total:
        return None
    ends = {key: total[key] for key in ("value", "low", "high")}
    return {key: None if end is None else end / _HOUR for key, end in ends.items()} | {
        "n": total["n"]
    }


_FIGURES = (
    _Figure(
        key="correction-rate",
        name="Correction rate",
        unit=percent,
        of=lambda part: part.get("correction_rate"),
    ),
    _Figure(
        key="blind-error",
        name="Wrong, seen blind",
        unit=percent,
        of=lambda part: part.get("blind_error"),
    ),
    _Figure(
        key="audit-pass-rate",
        name="Audit pass rate",
        unit=percent,
        of=lambda part: part.get("audit_pass_rate"),
    ),
    _Figure(key="loop-time", name="Loop closes in", unit=hours, of=_loop),
    _Figure(
        key="alpha",
        name="Agreement (alpha)",
        unit=coefficient,
        of=lambda part: part.get("agreement"),
    ),
)


def _row(
    gathered: Gathered,
    weeks: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Any],
    figure: _Figure,
) -> SixRow:
    found = figure.of(now)
    known = found is not None and found.get("value") is not None
    course = [(figure.of(each) or {}).get("value") for each in weeks.values()]
    return SixRow(
        name=figure.name,
        now=told(found["value"], found["low"], found["high"], found["n"], figure.unit)
        if known and found is not None
        else "-",
        course=sparkline(
            gathered.name(f"course-{figure.key}"), f"{figure.name} by week", course, figure.unit
        ),
        wrong=figure.key == "correction-rate" and now.get("correction_band") in ("under", "over"),
    )


def _drift(found: Mapping[str, Any] | None) -> SixRow:
    if not found:
        said = "-"
    elif found["drifted"]:
        said = f"found: {', '.join(found['features']) or 'the traffic as a whole'}"
    else:
        said = "none found in the newest look"
    return SixRow(name="Drift", now=said, course=Markup(), wrong=bool(found and found["drifted"]))
