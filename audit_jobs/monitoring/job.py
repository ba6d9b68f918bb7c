"""Job: how often deployed models are right, whether they get worse, what changed before them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from audit_jobs.drift.raising import raised_now
from audit_jobs.measures.decay import Decay, decay_of
from audit_jobs.measures.production_accuracy import Drawn, Given, measured
from audit_jobs.monitoring.alerts import decay_alerts, drift_alerts, recovered
from audit_jobs.monitoring.looks import WEEK, Asked, Look, look, newest_version, windows_of
from backend.runtime import Runtime
from backend.sameness import likeness_in
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.breaker_marks import breaker_marks
from backend.store.escalations import final_labels
from backend.store.inference_tasks import store_lost
from backend.store.inferences import LOST, PLACED
from backend.store.projects import ConnectedProject
from backend.store.reports import MONITORING, Report, newest_report, store_report
from backend.store.verified_inferences import (
    CountedInferences,
    PickedInferences,
    count_inferences,
    counted_inferences,
    picked_inferences,
    rows_of_deleted,
)
from backend.store.votes import human_votes
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.domain import column
from policies.likeness import aligned
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Traffic alone is told again after this time; what people answer, and an alarm, at once.
EVERY = timedelta(hours=1)
_NEWS = ("verified", "decay", "drift", "raised", "shown")
# Versions whose decay is told: those that answered last.
_MOST_VERSIONS = 20
_MOST_PERIODS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What people have verified, what was counted, and what was said of it before."""

    policy: Policy
    drawn: Drawn
    counted: CountedInferences
    states: dict[str, int]
    listed: bool
    last: Report | None
    standing: Mapping[tuple[str, str], Alert]

    @property
    def before(self) -> dict[str, Any]:
        """The body of the last report."""
        return {} if self.last is None else self.last.body


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure what is new; keep a report and tell of decay and drift where something changed."""
    made_of = _made_of(runtime, project)
    if made_of is None:
        return {"state": "nothing is monitored"}
    now = runtime.now()
    with runtime.reads() as session:
        last = newest_report(session, project.id, MONITORING)
    age = EVERY if last is None else now - last.made_at
    if last is not None and last.body.get("made_of") == made_of and timedelta(0) <= age < EVERY:
        return {"state": "nothing new"}

    if _lose_deleted(runtime, project):
        made_of = _made_of(runtime, project)
    found = _gathered(runtime, project, last)
    looked = _looked(runtime, project, found, now.date())
    decays, over, after = _decays(found)
    body = _body(found, looked, decays, now) | {"made_of": made_of}
    for name, since in after.items():
        body["decay"][name]["watched_after"] = since
    version = newest_version(found.counted)
    due = [
        *decay_alerts(decays, _current(found.counted), found.standing, over, now),
        *drift_alerts(looked, version, found.standing, now),
    ]

    if due or age >= EVERY or any(found.before.get(name) != body[name] for name in _NEWS):
        with runtime.sessions.begin() as session:
            report = Report(kind=MONITORING, model_version=version, made_at=now, body=body)
            store_report(session, project.id, report)
            for alert in due:
                store_alert(session, project.id, alert, version)
                logger.warning("monitoring.alert project=%d %s", project.id, alert.says)
    return {
        "verified": body["verified"],
        "unanswered": body["unanswered"],
        "accuracy": body["accuracy"],
        "opened": [alert.says for alert in due if alert.opened],
        "resolved": [alert.says for alert in due if not alert.opened],
    }


def _made_of(runtime: Runtime, project: ConnectedProject) -> str | None:
    """What a report rests on, but for how many answers came; None where nothing is monitored."""
    with runtime.reads() as session:
        states = count_inferences(session, project.id)
        if not any(states.values()):
            return None
        marks = (states[PLACED], states[LOST], breaker_marks(session, project.id))
    whole = (project.policy_text, project.label_config, marks)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def _lose_deleted(runtime: Runtime, project: ConnectedProject) -> bool:
    """Nobody will answer a task that was deleted: its inference is lost. Whether there was one."""
    with runtime.reads() as session:
        rows = rows_of_deleted(session, project.id)
    if rows:
        with runtime.sessions.begin() as session:
            store_lost(session, dict.fromkeys(rows, "its task was deleted before it was answered"))
    return bool(rows)


def _gathered(runtime: Runtime, project: ConnectedProject, last: Report | None) -> _Gathered:
    policy = parse_policy(project.policy_text)
    fields = policy.monitoring.slices
    with runtime.reads() as session:
        picked = picked_inferences(session, project.id, fields)
        settled = final_labels(session, project.id, human_votes(session, project.id))
        return _Gathered(
            policy=policy,
            drawn=_drawn(project, picked, settled),
            counted=counted_inferences(session, project.id, fields),
            states=count_inferences(session, project.id),
            listed=_is_listed(project),
            last=last,
            standing=open_alerts(session, project.id),
        )


def _body(
    found: _Gathered, looked: Look | None, decays: Mapping[str, Decay], now: datetime
) -> dict[str, Any]:
    """The report; what was said of the traffic stands until the next look."""
    rule, before = found.policy.monitoring, found.before
    drift, raised = before.get("drift"), before.get("raised", [])
    if looked is not None:
        drift = looked.as_json()
        raised = raised_now(raised, looked.risen, found.policy.drift, now)
    figures = measured(found.drawn, _given(found.counted), rule.period, listed=found.listed)
    return {
        **figures,
        "curve": _newest_periods(figures["curve"]),
        "states": found.states,
        "shown": rule.show,
        "decay": {version: each.as_json() for version, each in decays.items()},
        "drift": drift,
        "raised": raised,
    }


def _newest_periods(curve: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Reports are kept: days of the newest four months say enough, as do ten years of months."""
    periods = sorted({point["period"] for point in curve})[-_MOST_PERIODS:]
    return [point for point in curve if periods and point["period"] >= periods[0]]


def _drawn(
    project: ConnectedProject, picked: PickedInferences, settled: Mapping[int, str]
) -> Drawn:
    """What was drawn with what people settled on; alike answers count as right, as at the gate."""
    truths = column([settled.get(task_id) for task_id in picked.task_ids.tolist()])
    if any(truth is not None for truth in truths.tolist()):
        said = aligned(picked.predicted, truths, likeness_in(project))
    else:
        said = picked.predicted
    return Drawn(
        at=np.array([at.replace(tzinfo=None) for at in picked.at.tolist()], "datetime64[us]"),
        versions=picked.versions,
        predicted=picked.predicted,
        shares=picked.shares,
        truths=truths,
        right=np.asarray(said == truths, np.bool_),
        slices=picked.slices,
    )


def _given(counted: CountedInferences) -> Given:
    return Given(
        days=np.array(counted.days.tolist(), "datetime64[D]"),
        versions=counted.versions,
        predicted=counted.predicted,
        slices=counted.slices,
        counts=counted.counts,
    )


def _is_listed(project: ConnectedProject) -> bool:
    try:
        return parse_labeling(project.label_config).is_list
    except LabelingError:  # told by an alert; nobody answers such tasks
        return False


def _looked(
    runtime: Runtime, project: ConnectedProject, found: _Gathered, today: date
) -> Look | None:
    """Look at the traffic, once for each day and version."""
    windows = windows_of(found.counted, found.policy.drift, None)
    if windows is None:
        return None
    last = found.before.get("drift") or {}
    if (last.get("model_version"), last.get("window")) == (
        windows.model_version,
        windows.as_json()["window"],
    ):
        return None
    asked = Asked(policy=found.policy, counted=found.counted, listed=found.listed, today=today)
    with runtime.reads() as session:
        return look(session, project.id, asked, windows)


def _decays(found: _Gathered) -> tuple[dict[str, Decay], set[str], dict[str, str | None]]:
    """The decay of each version; which alarms are over; from when on each is watched (a time)."""
    rule, before = found.policy.monitoring, found.before.get("decay", {})
    decays, over, after = {}, set(), {}
    for version in _newest_versions(found.counted):
        part = found.drawn.part(found.drawn.versions == version)
        since = before.get(version, {}).get("watched_after")
        decay = decay_of(part, rule.baseline, rule.tolerated_drop, _moment(since))
        if decay.found and recovered(decay):
            over.add(version)
            since = str(part.at[part.verified].max())
            decay = decay_of(part, rule.baseline, rule.tolerated_drop, _moment(since))
        decays[version], after[version] = decay, since
    return decays, over, after


def _moment(text: str | None) -> np.datetime64 | None:
    return None if text is None else np.datetime64(text)


def _newest_versions(counted: CountedInferences) -> list[str]:
    last = _last_days(counted)
    return sorted(last, key=lambda version: (last[version], version))[-_MOST_VERSIONS:]


def _current(counted: CountedInferences) -> set[str]:
    """The versions that answered within a week of the newest answer."""
    last = _last_days(counted)
    least = date.fromisoformat(max(last.values())) - timedelta(days=WEEK) if last else date.min
    return {version for version, day in last.items() if date.fromisoformat(day) >= least}


def _last_days(counted: CountedInferences) -> dict[str, str]:
    """Each version's newest day."""
    pairs = sorted(zip(counted.days.tolist(), counted.versions.tolist(), strict=True))
    return {version: day for day, version in pairs}
