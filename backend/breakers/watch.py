"""Use case: stop auto-accept where audits say that its promise no longer holds.

Every round looks at the audits of the version that serves, one group of promised answers at a time.
A trip is stored with its alert and a training request in one transaction; the decisions that follow
heed it. What was accepted since the last good point is taken back after that, in this round or,
where that is cut off, in the next one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.breakers.alerts import opened, resolve
from backend.breakers.looks import found_before, keep_look, marks_of
from backend.breakers.rearming import doubts_of
from backend.breakers.recall import Cause, hand_over, recall
from backend.breakers.states import keep, promised_error_rate
from backend.certification import version_promises
from backend.retraining import ask_visibly
from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.alerts import store_alert
from backend.store.audit_answers import Audits, audits
from backend.store.certificates import valid_certification
from backend.store.decisions import current_decisions
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.recalls import accepted_since, lock_project, recalls_done
from backend.store.suspensions import store_suspension, suspensions
from backend.store.votes import first_answered
from policies.breaker import Suspension
from policies.certifying import answers_wanted
from policies.domain import MODEL, Purpose
from policies.loading import parse_policy
from policies.promises import AutoAccept, Group, Promise
from policies.recalls import Scope, covers, group_of
from policies.schema import Policy
from policies.trips import AuditedAccept, Watched, scope_named, watched, why_tripped

logger = logging.getLogger(__name__)

Answer = tuple[str, str]  # a predictor and the label that it gave


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What the breakers of the serving version are judged on."""

    model: ModelVersion
    groups: tuple[Group, ...]
    audits: tuple[AuditedAccept, ...]
    suspensions: tuple[Suspension, ...]
    lacking: Mapping[Group, int]


def watch(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Trip, take back and tell; what each group's audits have come to.

    Nothing happens twice: a group that is suspended does not trip again, and a second process that
    looks at the same audits finds the suspension there. Where nothing was answered or decided since
    the last look that changed nothing, its answer is given again.
    """
    policy = parse_policy(project.policy_text)
    marks = marks_of(runtime, project, policy)
    before = found_before(runtime, project, marks)
    if before is not None:
        return before
    done = _look(runtime, project, policy)
    if not any(done[change] for change in ("tripped", "recalled", "handed_over")):
        keep_look(runtime, project, marks, done)
    return done


def _look(runtime: Runtime, project: ConnectedProject, policy: Policy) -> dict[str, Any]:
    found = _gather(runtime, project, policy)

    looked = [] if found is None else _looked(policy, found)
    tripped = [] if found is None else _tripped(found, looked)

    suspended = 0 if found is None else _suspend(runtime, project, policy, (found, tripped))
    taken = _take_back(runtime, project, policy)
    handed = hand_over(runtime, project)
    resolve(runtime, project)
    if found is not None:
        told = [(each, found.lacking.get(each.group)) for each in looked]
        keep(runtime, project, found.model.version, told)
    return {"tripped": suspended, "recalled": taken, "handed_over": handed, "groups": len(looked)}


def _gather(runtime: Runtime, project: ConnectedProject, policy: Policy) -> _Gathered | None:
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    enough = policy.order(policy.audit.tier)
    auditors = {user for user, tier in expertise_of(runtime, policy).items() if tier >= enough}
    with runtime.reads() as session:
        model = champion(session, project.id)
        if model is None:
            return None
        before = suspensions(session, project.id, model.version)
        every = audits(session, project.id, auditors)
        places = np.flatnonzero(every.judged & (every.versions == model.version)).tolist()
        ids = [int(every.task_ids[place]) for place in places]
        answered = first_answered(session, project.id, ids, auditors)
        accepted = accepted_since(session, project.id, ids)
        promises = version_promises(rule, policy, model.labels)
        lacking = _lacking(session, project, policy, (model.version, promises))
    wrong = ~every.passed  # of all at once: a look at each costs as much
    judged = [
        _audited(
            rule, every, place, (accepted[task_id], answered[task_id]), wrong=bool(wrong[place])
        )
        for place, task_id in zip(places, ids, strict=True)
    ]
    promised = [(each.predictor, each.label) for each in promises]
    return _Gathered(
        model=model,
        groups=tuple(dict.fromkeys([*promised, *(each.group for each in judged)])),
        audits=tuple(judged),
        suspensions=tuple(before),
        lacking=lacking,
    )


def _audited(
    rule: AutoAccept,
    every: Audits,
    place: int,
    times: tuple[datetime, datetime],
    *,
    wrong: bool,
) -> AuditedAccept:
    label = every.labels[place]
    accepted_at, answered_at = times
    return AuditedAccept(
        task_id=int(every.task_ids[place]),
        group=(every.predictors[place] or MODEL, rule.group_label(label)),
        label=label,
        wrong=wrong,
        inclusion_probability=float(every.chances[place]),
        accepted_at=accepted_at,
        answered_at=answered_at,
    )


def _lacking(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    promised: tuple[str, Sequence[Promise]],
) -> dict[Group, int]:
    """The control answers that each group which was reset still waits for, at most.

    Counted by the answer that each control task was given to people with.
    """
    version, promises = promised
    certified = valid_certification(session, project.id, version, project.policy_hash)
    doubts = doubts_of(
        session, project.id, version, None if certified is None else certified.certification
    )
    if not doubts.reset:
        return {}
    control = current_decisions(session, project.id, labelled=True, purpose=Purpose.CONTROL)
    decided = [entry.decision for entry in control]
    given = Counter(
        group
        for group, each in ((group_of(policy, each), each) for each in decided)
        if each.task_id in doubts.telling.get(group, ())
    )
    groups = {(each.predictor, each.label): each for each in promises}
    return {
        group: max(0, answers_wanted(groups[group]) - given[group])
        for group in doubts.reset
        if group in groups
    }


def _looked(policy: Policy, found: _Gathered) -> list[Watched]:
    """Each group's audits since it was last armed, against what is promised of it."""
    armed: dict[Answer, datetime | None] = {}
    for each in found.audits:
        answer = (each.group[0], each.label)
        if answer not in armed:
            armed[answer] = _armed_at(policy, found.suspensions, answer)
    looked = []
    for group in found.groups:
        counted = [
            each
            for each in found.audits
            if each.group == group
            and ((since := armed[each.group[0], each.label]) is None or each.answered_at > since)
        ]
        limit = promised_error_rate(policy, group)
        looked.append(watched(group, counted, limit, policy.breaker.average_run))
    return looked


def _armed_at(policy: Policy, trips: Iterable[Suspension], answer: Answer) -> datetime | None:
    """When answers like this were last armed again, whatever group they were in; None: never."""
    times = [
        each.rearmed_at
        for each in trips
        if each.rearmed_at is not None and covers(each.group, answer, policy)
    ]
    return max(times, default=None)


def _tripped(found: _Gathered, looked: Iterable[Watched]) -> list[Watched]:
    suspended = {each.group for each in found.suspensions if each.rearmed_at is None}
    return [each for each in looked if each.trip is not None and each.group not in suspended]


def _suspend(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    asked: tuple[_Gathered, Sequence[Watched]],
) -> int:
    """Store what tripped, unless somebody else did meanwhile; how many groups were suspended."""
    found, tripped = asked
    if not tripped:
        return 0
    version, known = found.model.version, {each.id for each in found.suspensions}
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        stored = suspensions(session, project.id, version)
        new = {each.group for each in stored if each.id not in known}
        due = [each for each in tripped if each.group not in new]
        for each in due:
            trip = _suspension(version, each, policy, runtime.now())
            failing = {} if each.trip is None else each.trip.failing
            store_suspension(session, project.id, trip)
            store_alert(session, project.id, opened(trip, failing), version)
        if due:
            reason = "the breaker tripped for " + "; ".join(
                scope_named(version, each.group) for each in due
            )
            ask_visibly(session, project, policy, reason, runtime.now())
    for each in due:
        about = scope_named(version, each.group)
        logger.warning("breaker.tripped project=%d about=%s", project.id, about)
    return len(due)


def _suspension(version: str, found: Watched, policy: Policy, now: datetime) -> Suspension:
    assert found.trip is not None  # noqa: S101 - only what tripped comes here
    return Suspension(
        id=0,
        model_version=version,
        group=found.group,
        since=now,
        statistic=found.statistic,
        audits=found.audits,
        errors=found.errors,
        good_until=found.trip.good_until,
        why=why_tripped(found, found.trip, policy.breaker.average_run),
    )


def _take_back(runtime: Runtime, project: ConnectedProject, policy: Policy) -> int:
    """Take back what the standing suspensions put in doubt, and what slipped through since.

    Whoever was deciding when a breaker tripped may have accepted some more on what it knew.
    """
    if not policy.breaker.recall:
        return 0
    with runtime.reads() as session:
        standing = [each for each in suspensions(session, project.id) if each.rearmed_at is None]
        done = recalls_done(session, project.id)
        serving = champion(session, project.id)
    taken = 0
    for each in standing:
        late = each.id in done
        if late and (serving is None or serving.version != each.model_version):
            continue
        scope = Scope(since=each.good_until, model_version=each.model_version, group=each.group)
        cause = Cause(why=each.why, suspension=each.id, decided_after=each.since if late else None)
        taken += recall(runtime, project, scope, cause).tasks
    return taken
