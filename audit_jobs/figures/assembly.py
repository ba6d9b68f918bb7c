"""The six figures from what the jobs measured: now, by ISO week (UTC) and by model version. Pure.

Every figure keeps the interval and the n that its job gave it; what was not measured is null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from audit_jobs.agreement.slices import MOST_WEEKS
from audit_jobs.measures.loop_times import mean_times
from audit_jobs.measures.strategy_gains import Redraws, as_json, compared, pooled_gains
from audit_jobs.strategies import trials_of
from backend.store.reports import Report
from policies.loops import ClosedLoop

GAIN, CORRECTION, AUDIT = "gain_per_label", "correction_rate", "audit_pass_rate"
LOOP, AGREEMENT, DRIFT = "loop_seconds", "agreement", "drift"
SIX = (GAIN, CORRECTION, AUDIT, LOOP, AGREEMENT, DRIFT)

_ALPHA = "krippendorff_alpha"
_Gains = Callable[[Collection[str]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the jobs reported: the newest of each kind, and the newest of each version.

    ``drifts`` are all drift reports, oldest first; ``trained`` says when each version was, and
    ``control`` is the question of the labelling config that the model answers.
    """

    strategies: Report | None
    corrections: Report | None
    audit: Report | None
    agreement: Report | None
    agreement_by_version: Mapping[str, Report]
    drifts: Sequence[Report]
    loops: Sequence[ClosedLoop]
    trained: Mapping[str, datetime]
    control: str | None


def six_figures(measured: Measured) -> dict[str, Any]:
    """The body of a report: "now", "weeks" and "versions", each with the six by name."""
    weeks = sorted(_weeks(measured))[-MOST_WEEKS:]
    gains = _gains_of(measured)
    return {
        "now": _now(measured, gains),
        "weeks": {week: _of_week(measured, gains, week) for week in weeks},
        "versions": {
            version: _of_version(measured, gains, version) for version in measured.trained
        },
    }


def week_of(moment: datetime) -> str:
    """The ISO week.

    >>> from datetime import UTC
    >>> week_of(datetime(2026, 1, 1, tzinfo=UTC))
    '2026-W01'
    """
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"


def _now(measured: Measured, gains: _Gains) -> dict[str, Any]:
    correction, audit = _body(measured.corrections), _body(measured.audit)
    return {
        GAIN: gains({cycle["version"] for cycle in _cycles(measured)}),
        CORRECTION: correction.get("rate"),
        "correction_band": correction.get("band"),
        "correction_says": correction.get("says"),
        "blind_error": correction.get("blind_error"),
        AUDIT: audit.get("pass_rate"),
        "corrected_pass_rate": audit.get("corrected_pass_rate"),
        LOOP: _loops(measured.loops),
        AGREEMENT: _alpha(_control(measured.agreement, measured.control)),
        DRIFT: _drift(measured.drifts[-1:]),
    }


def _of_week(measured: Measured, gains: _Gains, week: str) -> dict[str, Any]:
    correction = _part(measured.corrections, "weeks", week)
    agreement = _control(measured.agreement, measured.control).get("weeks", {}).get(week, {})
    trained = {version for version, at in measured.trained.items() if week_of(at) == week}
    return {
        GAIN: gains(trained),
        CORRECTION: correction.get("rate"),
        "blind_error": correction.get("blind_error"),
        AUDIT: _part(measured.audit, "by_week", week) or None,
        LOOP: _loops([each for each in measured.loops if week_of(each.promoted) == week]),
        AGREEMENT: agreement.get(_ALPHA),
        DRIFT: _drift([each for each in measured.drifts if week_of(each.made_at) == week]),
    }


def _of_version(measured: Measured, gains: _Gains, version: str) -> dict[str, Any]:
    correction = _part(measured.corrections, "versions", version)
    agreement = measured.agreement_by_version.get(version)
    return {
        GAIN: gains({version}),
        CORRECTION: correction.get("rate"),
        "blind_error": correction.get("blind_error"),
        AUDIT: _part(measured.audit, "by_version", version) or None,
        LOOP: _loops([each for each in measured.loops if each.version == version]),
        AGREEMENT: _alpha(_control(agreement, measured.control)),
        DRIFT: _drift([each for each in measured.drifts if each.model_version == version]),
    }


def _weeks(measured: Measured) -> set[str]:
    """Every week in which something was measured."""
    found = {week_of(loop.promoted) for loop in measured.loops}
    found |= {week_of(report.made_at) for report in measured.drifts}
    found |= set(_body(measured.corrections).get("weeks", {}))
    found |= set(_body(measured.audit).get("by_week", {}))
    found |= set(_control(measured.agreement, measured.control).get("weeks", {}))
    measured_cycles = {cycle["version"] for cycle in _cycles(measured)}
    return found | {week_of(measured.trained[v]) for v in measured_cycles & set(measured.trained)}


def _cycles(measured: Measured) -> list[Mapping[str, Any]]:
    return list(_body(measured.strategies).get("cycles", []))


def _gains_of(measured: Measured) -> _Gains:
    """What labels were worth, for who names versions: in the cycles of those that were measured.

    A week is mostly one version's, so each set of cycles is pooled once.
    """
    trials = {cycle["version"]: list(trials_of(cycle)) for cycle in _cycles(measured)}
    redraws = Redraws()

    @cache
    def pooled(versions: tuple[str, ...]) -> dict[str, Any] | None:
        found = pooled_gains([each for one in versions for each in trials[one]], redraws)
        return {"strategies": as_json(found), "says": compared(found)} if found else None

    return lambda among: pooled(tuple(version for version in trials if version in among))


def _loops(loops: Sequence[ClosedLoop]) -> dict[str, Any] | None:
    if not loops:
        return None
    return {name: mean.as_json() for name, mean in mean_times(loops).items()}


def _drift(looks: Sequence[Report]) -> dict[str, Any] | None:
    """What the last of these looks said, and how many of them found drift."""
    if not looks:
        return None
    body = looks[-1].body
    return {
        "looks": len(looks),
        "found": sum(bool(each.body["drifted"]) for each in looks),
        "drifted": body["drifted"],
        "features": changed_features(body),
        "estimated_accuracy": body.get("estimated_accuracy"),
        "measured_accuracy": body.get("measured_accuracy"),
    }


def changed_features(body: Mapping[str, Any]) -> list[str]:
    """The features that differ, at the chance of a false alarm that the look had; surest first."""
    level = body["false_alarm"]["this_look"] if body["drifted"] else -1.0
    found = [
        (each["p_adjusted"], each["name"])
        for each in body["features"]
        if each["p_adjusted"] is not None and each["p_adjusted"] <= level
    ]
    return [name for _, name in sorted(found)]


def _alpha(control: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of the routed queue: the answers that a slice or an audit asked for are not in it."""
    found: dict[str, Any] | None = control.get("slices", {}).get("routed", {}).get(_ALPHA)
    return found


def _control(agreement: Report | None, name: str | None) -> Mapping[str, Any]:
    controls: dict[str, Any] = _body(agreement).get("controls", {})
    return controls.get(name or "") or next(iter(controls.values()), {})


def _part(report: Report | None, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = _body(report).get(kind, {}).get(name, {})
    return found


def _body(report: Report | None) -> dict[str, Any]:
    return {} if report is None else report.body
