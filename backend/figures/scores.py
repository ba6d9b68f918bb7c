"""What scores are worth: what accepting from one on costs, and whether they keep their word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCurve:
    """A group of answers as the job keeps it, and what is said of it.

    ``about`` says whose answers they are, ``certified`` the threshold in force, None without one.
    """

    name: str
    group: Mapping[str, Any]
    about: str
    says: str
    certified: float | None
    notes: tuple[str, ...] = ()


def risk_charts(gathered: Gathered) -> list[Markup]:
    """A risk-coverage curve for each group of answers with a promise, those with most first."""
    shown, notes = groups_shown(body(gathered.curves))
    return [
        risk_chart(
            RiskCurve(
                name=gathered.name(f"risk-{place}"),
                group=group,
                about=_about(gathered, group),
                says=_accepted(gathered, group),
                certified=_certified(gathered, group),
                notes=notes if place == 0 else (),
            )
        )
        for place, group in enumerate(shown)
    ]


def groups_shown(curves: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], tuple[str, ...]]:
    """The groups that are drawn, and what is said of the others; an empty one before the first."""
    groups: Sequence[Mapping[str, Any]] = curves.get("groups", ())
    known = sorted((each for each in groups if each["points"]), key=lambda each: -each["answers"])
    left = len(known) - _MOST_GROUPS
    notes = (f"{left:,} groups with fewer answers are left out.",) if left > 0 else ()
    nothing: Mapping[str, Any] = {"predictor": MODEL, "label": None, "points": []}
    return known[:_MOST_GROUPS] or [nothing], notes


def risk_chart(curve: RiskCurve) -> Markup:
    """What is wrong among what is accepted, by the share that is."""
    group = curve.group
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
    return line_chart(
        LineChart(
            name=curve.name,
            title=f"What accepting costs{curve.about}",
            says=curve.says,
            empty=_NO_CURVE,
            series=(Series(name="wrong among accepted", points=points, stepped=True, bare=True),),
            place="share accepted, surest first",
            across=percent,
            least=0.0,
            most=min(1.0, max(_FEW_ANSWERS * (promised or 0.0), 1.25 * highest, 0.01)),
            thresholds=()
            if promised is None
            else (Threshold(name="promised at most", value=promised),),
            events=tuple(_thresholds(curve)),
            notes=curve.notes,
        )
    )


def _thresholds(curve: RiskCurve) -> list[Event]:
    """Where the certified threshold and the cheapest one lie on the curve."""
    found = []
    if curve.certified is not None:
        found.append(
            Event(
                name=f"certified: {curve.certified:.3f}",
                at=_coverage(curve.group, curve.certified),
                kind="good",
            )
        )
    cheapest = curve.group.get("cheapest")
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


def _certified(gathered: Gathered, group: Mapping[str, Any]) -> float | None:
    certificate = _certificate(gathered, group)
    return None if certificate is None else certificate.in_force


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
    return [
        reliability_of(gathered.name(f"reliability-{place}"), found)
        for place, found in enumerate(predictors_shown(body(gathered.curves)))
    ]


def predictors_shown(curves: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """How reliable the scores of each predictor are; an empty one before it is measured."""
    found: Sequence[Mapping[str, Any]] = curves.get("reliability", ())
    return list(found[:_MOST_GROUPS]) or [{"predictor": MODEL, "bins": []}]


def reliability_of(name: str, found: Mapping[str, Any]) -> Markup:
    """How often answers of one predictor are right, by their score."""
    by = "" if found["predictor"] == MODEL else f", by {found['predictor']}"
    return reliability_chart(
        ReliabilityChart(
            name=name,
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
