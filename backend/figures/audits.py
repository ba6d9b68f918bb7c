"""Whether the promise holds: what blind audits of accepted labels say, and the breaker on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from markupsafe import Markup

from backend.charts.bars import BarChart, Row, bar_chart
from backend.charts.lines import line_chart
from backend.charts.scales import count, percent
from backend.charts.series import (
    Event,
    LineChart,
    Point,
    Series,
    Threshold,
    beside,
    points_of,
    told,
)
from backend.figures.gathered import Gathered, body
from policies.domain import MODEL
from policies.promises import AutoAccept

_BARE = 40  # points: more of them would hide their line
_NO_AUDIT = (
    "No accepted label has been audited yet: once labels are accepted, a share of them goes to the "
    "audit tier blind."
)


def pass_rate_chart(gathered: Gathered) -> Markup:
    """The share of audited accepts that the auditors confirm, by week."""
    audit = body(gathered.audit)
    rule = gathered.policy.auto_accept
    promised = 1 - rule.max_error_rate if isinstance(rule, AutoAccept) else None
    return line_chart(
        LineChart(
            name=gathered.name("audits"),
            title="Audit pass rate, by week",
            says=_says(audit),
            empty=_NO_AUDIT,
            series=(
                Series(name="confirmed", points=points_of(list(audit.get("by_week", {}).items()))),
            ),
            place="week of the answer",
            most=1.0,
            thresholds=()
            if promised is None
            else (Threshold(name="promised at least", value=promised),),
        )
    )


def _says(audit: Mapping[str, Any]) -> str:
    rate = audit.get("pass_rate") or {}
    if rate.get("value") is None:
        return ""
    rests = beside(rate["low"], rate["high"], rate["n"], percent)
    figure = f"{percent(rate['value'])} of what was accepted{rests}"
    corrected = audit.get("corrected_pass_rate") or {}
    if corrected.get("value") is None:
        return f"Auditors confirm {figure}."
    without = told(corrected["value"], corrected["low"], corrected["high"], None, percent)
    return f"Auditors confirm {figure}; with auditors' own errors taken out that is {without}."


def by_label_chart(gathered: Gathered) -> Markup:
    """The same by the label that was accepted, those with most audits first."""
    rates = body(gathered.audit).get("by_label", {})
    rows = tuple(
        Row(
            name=gathered.words(label),
            values=(rate["value"],),
            low=rate["low"],
            high=rate["high"],
            n=rate["n"],
        )
        for label, rate in rates.items()
    )
    known = [row for row in rows if row.known]
    surest = min(known, key=lambda row: 1.0 if row.high is None else row.high, default=None)
    return bar_chart(
        BarChart(
            name=gathered.name("audits-by-label"),
            title="Audit pass rate, by accepted label",
            says=""
            if surest is None or surest.high is None
            else f"Weakest for certain: {surest.name}, at most {percent(surest.high)}.",
            empty=_NO_AUDIT,
            rows=rows,
            parts=("confirmed",),
            place="accepted label",
            unit=percent,
            least=0.0,
            most=1.0,
        )
    )


def breaker_chart(gathered: Gathered) -> Markup:
    """What the audits have come to in each group, on the way to the trip limit."""
    series = _histories(gathered)
    limit = float(gathered.policy.breaker.average_run)
    newest = [each.points[-1].value or 0.0 for each in series if each.points]
    return line_chart(
        LineChart(
            name=gathered.name("breaker"),
            title="Breaker: how much speaks against the promise",
            says=""
            if not newest
            else f"The highest stands at {count(round(max(newest), 1))}; at {count(limit)} it "
            "trips, and nothing more is accepted.",
            empty="Nothing to watch yet: the breaker counts audits once labels are accepted.",
            series=tuple(series),
            place="time (UTC)",
            unit=lambda value: count(round(value, 2)),
            log=True,
            thresholds=(Threshold(name="trips at", value=limit),),
            events=_moments(gathered),
        )
    )


def _moments(gathered: Gathered) -> tuple[Event, ...]:
    """When it tripped, and when another version began to serve: there the count begins anew."""
    if not gathered.breakers:
        return ()
    first = gathered.breakers[0].made_at
    trips = [
        Event(name=f"tripped: {each.model_version}", at=each.since.timestamp(), kind="bad")
        for each in gathered.suspensions
        if each.since >= first
    ]
    served = [
        Event(name=f"serves: {each.version}", at=each.at.timestamp())
        for each in gathered.promotions
        if first <= each.at <= gathered.breakers[-1].made_at
    ]
    return (*trips, *served)


def _histories(gathered: Gathered) -> list[Series]:
    """One line a group, broken where another version serves; the highest now first."""
    points: dict[tuple[str, str | None], list[Point]] = {}
    served: dict[tuple[str, str | None], str | None] = {}
    for report in gathered.breakers:
        for each in report.body["groups"]:
            group = (each["predictor"], each["label"])
            row = points.setdefault(group, [])
            if row and served[group] != report.model_version:
                row.append(replace(row[-1], at=row[-1].at + 1e-3, value=None))
            served[group] = report.model_version
            row.append(_point(report.made_at, each))
    found = [
        Series(
            name=_about(gathered, group), points=tuple(each), stepped=True, bare=len(each) > _BARE
        )
        for group, each in points.items()
    ]
    return sorted(found, key=lambda each: -(each.points[-1].value or 0.0))


def _about(gathered: Gathered, group: tuple[str, str | None]) -> str:
    predictor, label = group
    whose = "all labels together" if label is None else gathered.words(label)
    return whose if predictor == MODEL else f"{whose}, by {predictor}"


def _point(at: datetime, group: Mapping[str, Any]) -> Point:
    return Point(
        at=at.timestamp(),
        name=f"{at:%m-%d %H:%M}",
        value=group["statistic"],
        n=group["audits"],
    )
