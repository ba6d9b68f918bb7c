"""What scores are worth: what accepting from one on costs, and whether they keep their word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from backend.charts.lines import line_chart
from backend.charts.reliability import ReliabilityChart, ScoreBin, reliability_chart
from backend.charts.scales import percent
from backend.charts.series import Event, LineChart, Point, Series, Threshold
from backend.figures.gathered import Gathered, body
from policies.certifying import told
from policies.domain import MODEL, Certificate
from policies.promises import AutoAccept

_MOST_GROUPS = 6
_NO_CURVE = (
    "Nothing is measured yet: it takes a version that serves and people's answers to control tasks."
)
_FEW_ANSWERS = 2.5  # times the promised rate: what the few strictest answers reach above it is cut


def risk_charts(gathered: Gathered) -> list[Markup]:
    """A risk-coverage curve for each group of answers with a promise, those with most first."""
    groups: Sequence[Mapping[str, Any]] = body(gathered.curves).get("groups", ())
    known = sorted((each for each in groups if each["points"]), key=lambda each: -each["answers"])
    if not known:
        return [_risk(gathered, 0, {"predictor": MODEL, "label": None, "points": []}, "")]
    left = len(known) - _MOST_GROUPS
    note = f"{left:,} groups with fewer answers are left out." if left > 0 else ""
    return [_risk(gathered, *each, note) for each in enumerate(known[:_MOST_GROUPS])]


def _risk(gathered: Gathered, place: int, group: Mapping[str, Any], note: str) -> Markup:
    points = tuple(
        Point(
            at=each["coverage"],
            name=f"{percent(each['coverage'])} (scores from {each['threshold']:.3f})",
            **{key: each[key] for key in ("value", "low", "high", "n")},
        )
        for each in group["points"]
    )
    promised = group.get("max_error_rate")
    highest = max((point.value or 0.0 for point in points), default=0.0)
    about = _about(gathered, group)
    return line_chart(
        LineChart(
            name=gathered.name(f"risk-{place}"),
            title=f"What accepting costs{about}",
            says=_accepted(gathered, group),
            empty=_NO_CURVE,
            series=(Series(name="wrong among accepted", points=points, stepped=True, bare=True),),
            place="share accepted, surest first",
            across=percent,
            least=0.0,
            most=min(1.0, max(_FEW_ANSWERS * (promised or 0.0), 1.25 * highest, 0.01)),
            thresholds=()
            if promised is None
            else (Threshold(name="promised at most", value=promised),),
            events=tuple(_thresholds(gathered, group)),
            notes=(note,) if note and place == 0 else (),
        )
    )


def _thresholds(gathered: Gathered, group: Mapping[str, Any]) -> list[Event]:
    """Where the certified threshold and the cheapest one lie on the curve."""
    found = []
    certificate = _certificate(gathered, group)
    if certificate is not None and certificate.in_force is not None:
        found.append(
            Event(
                name=f"certified: {certificate.in_force:.3f}",
                at=_coverage(group, certificate.in_force),
                kind="good",
            )
        )
    cheapest = group.get("cheapest")
    if cheapest is not None:
        found.append(Event(name=f"cheapest: {cheapest['threshold']:.3f}", at=cheapest["coverage"]))
    return found


def _coverage(group: Mapping[str, Any], threshold: float) -> float:
    """The share that is accepted from this score on."""
    return max(
        (each["coverage"] for each in group["points"] if each["threshold"] >= threshold),
        default=0.0,
    )


def _certificate(gathered: Gathered, group: Mapping[str, Any]) -> Certificate | None:
    certified = gathered.certification
    wanted = (group["predictor"], group["label"])
    return next(
        (each for each in (certified.certificates if certified else ()) if each.group == wanted),
        None,
    )


def _accepted(gathered: Gathered, group: Mapping[str, Any]) -> str:
    """What is accepted of the group now, on which evidence; or why nothing is."""
    rule = gathered.policy.auto_accept
    certificate = _certificate(gathered, group)
    if not isinstance(rule, AutoAccept):
        return "A person confirms every label; the curve shows what accepting would cost."
    if certificate is None:
        return "Nothing is accepted: no look at the control answers has been taken yet."
    said = told(replace(certificate, label=None, predictor=MODEL), rule.floor)
    if certificate.threshold is None:
        return f"{said.replace('nothing:', 'Nothing is accepted:', 1)}."
    return f"Accepted are {said}."


def _about(gathered: Gathered, group: Mapping[str, Any]) -> str:
    label = "" if group["label"] is None else f": {gathered.words(group['label'])}"
    return label + ("" if group["predictor"] == MODEL else f", by {group['predictor']}")


def reliability_charts(gathered: Gathered) -> list[Markup]:
    """A reliability diagram for each predictor, the model's first."""
    found: Sequence[Mapping[str, Any]] = body(gathered.curves).get("reliability", ())
    if not found:
        return [_reliability(gathered, 0, {"predictor": MODEL, "bins": []})]
    return [_reliability(gathered, *each) for each in enumerate(found[:_MOST_GROUPS])]


def _reliability(gathered: Gathered, place: int, found: Mapping[str, Any]) -> Markup:
    by = "" if found["predictor"] == MODEL else f", by {found['predictor']}"
    return reliability_chart(
        ReliabilityChart(
            name=gathered.name(f"reliability-{place}"),
            title=f"Do scores keep their word?{by}",
            says=_calibration(found) if found["bins"] else "",
            empty=_NO_CURVE,
            bins=tuple(
                ScoreBin(
                    start=each["start"],
                    end=each["end"],
                    score=each["score"],
                    right=each["value"],
                    low=each["low"],
                    high=each["high"],
                    n=each["n"],
                )
                for each in found["bins"]
            ),
        )
    )


def _calibration(found: Mapping[str, Any]) -> str:
    """The calibration error beside what chance alone gives, and which way scores are off."""
    figure = (
        f"Scores are off by {percent(found['error'])} on average (ECE, "
        f"n = {found['n']:,}); perfect ones would show {percent(found['by_chance'])}"
    )
    if found["error"] <= found["most_by_chance"]:
        return f"{figure}, so nothing says that they are off."
    return f"{figure}. They are too {'sure' if found['bias'] > 0 else 'cautious'}."
