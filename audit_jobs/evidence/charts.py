"""The charts of the pack, drawn from its body alone: what they show was so in the period.

Only pages have them; each says what a table of its chapter says, or brings its own numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from audit_jobs.evidence.figures import minute
from audit_jobs.evidence.period import Period
from audit_jobs.figures.assembly import CORRECTION
from backend.charts.bars import BarChart, Row, bar_chart
from backend.charts.lines import line_chart
from backend.charts.markup import rendered
from backend.charts.series import Event, LineChart, Series, Threshold, points_of
from backend.charts.shapes import Figure
from backend.figures.scores import (
    RiskCurve,
    groups_shown,
    predictors_shown,
    reliability_of,
    risk_chart,
)
from backend.store.certificates import certificate_of
from policies.domain import MODEL

_MOST_PROMISES = 3  # lines across that can be told apart
# Each way of deciding, as short as a bar's name must be; the table beside says what it means.
_DECIDED = {
    ("accept", "routed"): "accepted",
    ("accept", "audit"): "accepted, audited",
    ("review", "routed"): "sent to people",
    ("review", "control"): "control slice",
    ("review", "holdout"): "holdout",
    ("review", "agreement"): "asked of several",
    ("review", "recall"): "taken back",
    ("review", "monitoring"): "monitoring, blind",
    ("review", "monitoring_shown"): "monitoring, shown",
}
_NOT_MEASURED = (
    "Not measured by then: it takes a version that serves and people's answers to control tasks."
)


def score_charts(body: Mapping[str, Any]) -> tuple[Markup, ...]:
    """What accepting from a score on cost, with the threshold that was proved, and reliability."""
    scores = body["scores"]
    if scores is None:
        return (rendered(Figure(name="risk-0", title="What scores are worth", says=_NOT_MEASURED)),)
    groups, notes = groups_shown(scores)
    risks = [
        risk_chart(
            RiskCurve(
                name=f"risk-{place}",
                group=group,
                about=_about(group),
                says=_measured(scores),
                certified=_threshold(body, group),
                notes=notes if place == 0 else (),
            )
        )
        for place, group in enumerate(groups)
    ]
    found = enumerate(predictors_shown(scores))
    return (*risks, *(reliability_of(f"reliability-{place}", each) for place, each in found))


def _about(group: Mapping[str, Any]) -> str:
    label = "" if group["label"] is None else f": {group['label']}"
    return label + ("" if group["predictor"] == MODEL else f", by {group['predictor']}")


def _measured(scores: Mapping[str, Any]) -> str:
    return (
        f"{scores['model_version']} on {scores['answers']:,} answers of the control slice, as "
        f"measured at {minute(scores['as_of'])} UTC."
    )


def _threshold(body: Mapping[str, Any], group: Mapping[str, Any]) -> float | None:
    """The last threshold of the version and group that the curve is about, if it was not ended.

    A proof that came after the curve was measured counts too; one that had ended by then does not.
    """
    scores = body["scores"]
    wanted = (scores["model_version"], group["predictor"], group["label"])
    found = [
        each
        for each in body["certificates"]
        if (each["model_version"], each["evidence"]["predictor"], each["evidence"]["label"])
        == wanted
        and (each["ended_at"] is None or each["ended_at"] > scores["as_of"])
    ]
    if not found:
        return None
    newest = max(found, key=lambda each: each["certified_at"])
    return certificate_of({**newest["evidence"], "grid": ()}).in_force


def oversight_chart(found: Mapping[str, Any]) -> Markup:
    """How many tasks each way of deciding took, and how many of them a person has looked at."""
    rows = tuple(
        Row(
            name=_DECIDED.get((each["outcome"], each["purpose"]), each["purpose"]),
            values=(each["seen"], each["tasks"] - each["seen"]),
        )
        for each in found["decisions"]
    )
    seen = sum(each["seen"] for each in found["decisions"])
    return bar_chart(
        BarChart(
            name="oversight",
            title="Who looked at what was decided",
            says=f"A person has looked at {seen:,} of {found['tasks']:,} tasks.",
            empty="Nothing was decided in this time.",
            rows=tuple(sorted(rows, key=lambda row: -row.total)),
            parts=("a person has looked", "nobody has looked"),
            place="decided",
            additive=True,
        )
    )


def audit_chart(body: Mapping[str, Any]) -> Markup:
    """The share of audits that found the accepted label right, by week, and what was promised."""
    promises = _promised(body)
    left = len(promises) - _MOST_PROMISES
    return line_chart(
        LineChart(
            name="audits",
            title="Audit pass rate, by week",
            says="Of accepted labels that were audited blind, the share that was found right.",
            empty="No accepted label was audited in a week of this time.",
            series=(
                Series(
                    name="found right", points=points_of(list(body["audits"]["by_week"].items()))
                ),
            ),
            place="week of the answer",
            most=1.0,
            thresholds=tuple(promises[-_MOST_PROMISES:]),
            notes=(f"{left:,} earlier promises are not drawn.",) if left > 0 else (),
        )
    )


def _promised(body: Mapping[str, Any]) -> list[Threshold]:
    """The different promises of the time, each from when it first decided something."""
    first: dict[float, datetime] = {}
    for each in body["policies"]:
        if each["promise"]:
            first.setdefault(1 - each["promise"]["max_error_rate"], each["first"])
    if len(first) == 1:
        return [Threshold(name="promised at least", value=value) for value in first]
    return [
        Threshold(name=f"promised at least, from {at:%Y-%m-%d}", value=value)
        for value, at in sorted(first.items(), key=lambda each: each[1])
    ]


def correction_chart(body: Mapping[str, Any]) -> Markup:
    """The share of shown pre-labels that people changed in each week of the time."""
    ends = body["period"]
    period = Period(
        start=datetime.fromisoformat(ends["since"]), end=datetime.fromisoformat(ends["until"])
    )
    weeks = [(name, each) for name, each in body["weeks"].items() if period.has_week(name)]
    return line_chart(
        LineChart(
            name="corrections",
            title="Correction rate, by week",
            says="Of pre-labels that people were shown, the share that they changed; beside it how "
            "often the model was wrong where they answered without seeing its label.",
            empty="Nobody answered a shown pre-label in a week of this time.",
            series=(
                Series(
                    name="corrected of what was shown",
                    points=points_of([(name, each[CORRECTION]) for name, each in weeks]),
                ),
                Series(
                    name="wrong where people answered blind",
                    points=points_of([(name, each["blind_error"]) for name, each in weeks]),
                ),
            ),
            place="week of the answer",
            least=0.0,
            most=1.0,
            notes=("The weeks of this time; the tables hold those before, too.",)
            if len(weeks) < len(body["weeks"])
            else (),
        )
    )


def accuracy_chart(found: list[Mapping[str, Any]]) -> Markup:
    """The versions in their order, with those that began to serve in the time."""
    return line_chart(
        LineChart(
            name="accuracy",
            title="Accuracy on the holdout, by version",
            says="On tasks that people labelled and no version has learned from, when each was "
            "trained.",
            empty="No version was measured by then.",
            series=(
                Series(
                    name="right on the holdout",
                    points=points_of(
                        [(each["version"], each["holdout_accuracy"]) for each in found]
                    ),
                ),
            ),
            place="version",
            most=1.0,
            events=tuple(
                Event(name=f"began to serve: {each['version']}", at=float(place), kind="good")
                for place, each in enumerate(found)
                if each["served"]
            ),
        )
    )
