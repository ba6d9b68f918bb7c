"""Use case: how every project's loop stands, for who looks at all of them at once.

A few queries for all projects together, each by an index; large tables are not touched: their sums
come from the job ``counts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.settings import Settings
from backend.store.alerts import Alert, all_open_alerts
from backend.store.counts import ProjectCounts, all_counts
from backend.store.job_runs import JobRun, alive_among, last_runs
from backend.store.models import serving_versions
from backend.store.projects import ConnectedProject
from backend.store.reports import AUDIT, Report, newest_of_all
from backend.store.suspensions import suspended_groups
from policies.loading import policy_if_it_loads
from policies.promise_standing import AuditsSay, Kept, PromiseStanding, promise_standing
from policies.promises import AutoAccept
from policies.schema import Policy

# A round may take longer than the wish for it: this many of them without one is a silence.
_MISSED_ROUNDS = 10
_LEAST_SILENCE = timedelta(minutes=5)
_UNREADABLE = PromiseStanding(
    kept=Kept.UNKNOWN,
    promised="the policy in force does not load in this version of Labelgate, so no job of the "
    "project gets anywhere: the policy page says why",
    shown="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierQueue:
    """A tier's day: what waits in its view, what it has answered, what it can answer.

    ``open`` and ``answered`` are None where nothing was counted yet.
    """

    name: str
    open: int | None
    answered: int | None
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """One project at a glance. ``counts`` is None before the job's first run.

    ``loads`` is whether this version of Labelgate can read the policy in force; where it cannot, no
    job of the project gets anywhere. ``alerts`` are those that are not over, newest first;
    ``last_run`` is the newest run of any of its jobs, ``working`` says that it goes on, and
    ``silent`` that none has been for too long.
    """

    project: ConnectedProject
    counts: ProjectCounts | None
    promise: PromiseStanding
    tiers: tuple[TierQueue, ...]
    alerts: Sequence[Alert]
    serving: str | None
    last_run: JobRun | None
    working: bool
    silent: bool
    loads: bool

    @property
    def troubled(self) -> bool:
        """Whether somebody should look at it now."""
        broken = self.promise.kept is Kept.BROKEN or not self.loads
        return broken or bool(self.alerts) or self.silent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    counts: Mapping[int, ProjectCounts]
    alerts: Mapping[int, Sequence[Alert]]
    audits: Mapping[int, Report]
    serving: Mapping[int, str]
    suspended: Mapping[int, int]
    runs: Mapping[int, JobRun]
    alive: frozenset[int]


def loop_states(
    session: Session, settings: Settings, projects: Sequence[ConnectedProject], now: datetime
) -> list[LoopState]:
    """Every one of these projects; those with trouble first, then by title."""
    ids = [each.id for each in projects]
    found = _gather(session, ids, all_counts(session, ids))
    return sorted(
        (_state(each, found, _silent_since(settings, now)) for each in projects), key=_trouble
    )


def loop_state(
    session: Session,
    settings: Settings,
    project: ConnectedProject,
    counts: ProjectCounts | None,
    now: datetime,
) -> LoopState:
    """The same of one project, of which these are the counts."""
    known = {} if counts is None else {project.id: counts}
    found = _gather(session, [project.id], known)
    return _state(project, found, _silent_since(settings, now))


def _silent_since(settings: Settings, now: datetime) -> datetime:
    """A project whose last job began before then has been forgotten."""
    missed = _MISSED_ROUNDS * timedelta(seconds=settings.sync_interval_s)
    return now - max(missed, _LEAST_SILENCE)


def _gather(session: Session, ids: Sequence[int], counts: Mapping[int, ProjectCounts]) -> _Found:
    serving = serving_versions(session, ids)
    runs = last_runs(session, ids)
    # Leases run on the wall clock, whatever time the page is shown for.
    alive = alive_among(session, list(runs.values()), datetime.now(UTC))
    return _Found(
        counts=counts,
        alerts=all_open_alerts(session, ids),
        audits=newest_of_all(session, ids, AUDIT),
        serving=serving,
        suspended=suspended_groups(session, serving),
        runs=runs,
        alive=frozenset(alive),
    )


def _state(project: ConnectedProject, found: _Found, silent_since: datetime) -> LoopState:
    policy = policy_if_it_loads(project.policy_text)
    counts = found.counts.get(project.id)
    last = found.runs.get(project.id)
    working = last is not None and last.id in found.alive
    return LoopState(
        project=project,
        counts=counts,
        promise=_UNREADABLE if policy is None else _promise(project.id, policy, found),
        tiers=() if policy is None else _tiers(policy, counts),
        alerts=found.alerts.get(project.id, ()),
        serving=found.serving.get(project.id),
        last_run=last,
        working=working,
        silent=not working and (last is None or last.started_at < silent_since),
        loads=policy is not None,
    )


def _promise(project_id: int, policy: Policy, found: _Found) -> PromiseStanding:
    rule = policy.auto_accept if isinstance(policy.auto_accept, AutoAccept) else None
    report = found.audits.get(project_id)
    return promise_standing(
        rule,
        None if report is None else audits_say(report.body.get("claim")),
        found.suspended.get(project_id, 0),
    )


def audits_say(claim: Mapping[str, Any] | None) -> AuditsSay | None:
    """What the audit job reported of the promise; None where nothing was promised then."""
    if claim is None:
        return None
    right = claim["pass_rate"]["value"]
    return AuditsSay(
        max_error_rate=claim["max_error_rate"],
        audits=claim["audits"],
        errors=claim["errors"],
        value=None if right is None else 1 - right,
        low=claim["low"],
        high=claim["high"],
        needed=claim["needed"],
        decided=claim["decided"],
    )


def _tiers(policy: Policy, counts: ProjectCounts | None) -> tuple[TierQueue, ...]:
    waiting = {} if counts is None else {each.name: each.open for each in counts.queues}
    today = {} if counts is None or counts.today is None else counts.today
    return tuple(
        TierQueue(
            name=tier.name,
            open=None if counts is None else waiting.get(tier.name, 0),
            answered=today[tier.name].answered if tier.name in today else None,
            capacity=tier.daily_capacity,
        )
        for tier in policy.tiers
    )


def _trouble(state: LoopState) -> tuple[bool, bool, int, str, int]:
    """Sorts the worst first."""
    return (
        state.promise.kept is not Kept.BROKEN,
        not state.troubled,
        -len(state.alerts),
        state.project.title.casefold(),
        state.project.id,
    )
