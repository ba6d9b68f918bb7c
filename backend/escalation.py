"""Use case: weigh what people said, and hand contested tasks to the next more expert tier.

An escalated task is open again although people have answered it: ``backend.queueing`` puts it into
the tier's view, and nobody learns from it until that tier has settled it. So is one whose answers
leave doubt, where the policy asks more readers of the same tier before it goes up. Audits get a
second auditor the same way, but their first answer stands meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.reviewers import expertise_of, people_of
from backend.runtime import Runtime
from backend.store.annotators import stopped_users
from backend.store.escalations import Weighable, Weighed, store_weighed, weighable_tasks
from backend.store.ledger import Grounds, append_decisions
from backend.store.projects import ConnectedProject, store_placed_for
from policies.adjudication import Asked, Readers, Verdict, Word, adjudicate, asked_by, moved_up
from policies.competence import TASK_TYPE, type_name
from policies.domain import Decision, Purpose
from policies.loading import parse_policy
from policies.schema import Policy
from policies.second_looks import Audited, drawn_for_second_looks, looked_at_again

logger = logging.getLogger(__name__)

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
_STUCK_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What all tasks are weighed by.

    ``expertise`` has the place of everybody's tier, ``able`` how many people each tier has whose
    answers count; ``auditors`` are those of the audit tier, ``twice`` the audited tasks that two of
    them answer in any case.
    """

    policy: Policy
    expertise: Mapping[int, int]
    able: Mapping[int, int]
    auditors: frozenset[int]
    twice: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """A task with what its answers came to, and the decision that follows where it moves."""

    task: Weighable
    verdict: Verdict
    stands: Weighed
    moved: Decision | None


def escalate(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Settle or move up every task whose answers have to be weighed.

    Returns how many moved up, were settled by the tier that they waited for, wait for one now, wait
    for one more reader, and which of them the top tier has skipped: these stay in its queue.
    """
    policy = parse_policy(project.policy_text)
    limited = any(tier.labels or tier.task_types for tier in policy.tiers)
    with runtime.reads() as session:
        tasks = weighable_tasks(
            session,
            project.id,
            every=limited,
            readers=policy.agreement.adaptive,
            audits=len(policy.tier(policy.audit.tier).reviewers) > 1,
        )
        stopped = stopped_users(session, project.id)
    known = _known(runtime, policy, tasks, stopped)

    outcomes = [_outcome(known, task) for task in tasks]

    changed = [each for each in outcomes if _changes(each)]
    for start in range(0, len(changed), CHUNK):
        _record(runtime, project, changed[start : start + CHUNK])
    moved = [each for each in outcomes if each.moved is not None]
    stuck = [each.stands.task_id for each in outcomes if each.verdict.stuck]
    if moved:
        logger.info("task.escalated project=%d tasks=%d", project.id, len(moved))
    return {
        "escalated": len(moved),
        "settled": sum(_was_settled(each) for each in outcomes),
        "waiting": sum(each.stands.escalated_to is not None for each in outcomes),
        "wanting_a_reader": sum(each.stands.wants_reader for each in outcomes),
        "skipped_at_the_top": {"tasks": len(stuck), "first": stuck[:_STUCK_SHOWN]},
    }


def _known(
    runtime: Runtime, policy: Policy, tasks: Sequence[Weighable], stopped: Collection[int]
) -> _Known:
    expertise = expertise_of(runtime, policy) if tasks else {}
    audits = [task.stands.task_id for task in tasks if _is_audit(task)]
    auditors = people_of(runtime, policy, policy.audit.tier) if audits else frozenset()
    return _Known(
        policy=policy,
        expertise=expertise,
        able=Counter(place for user, place in expertise.items() if user not in stopped),
        auditors=auditors.difference(stopped),
        twice=drawn_for_second_looks(policy, audits),
    )


def _is_audit(task: Weighable) -> bool:
    return task.entry.decision.purpose is Purpose.AUDIT


def _outcome(known: _Known, task: Weighable) -> _Outcome:
    policy, decision = known.policy, task.entry.decision
    asked = _asked(known, task)
    words = [Word(expertise=known.expertise.get(s.user_id, 0), label=s.label) for s in task.said]
    if decision.tier is None:  # accepted: nobody was asked, so nobody can have skipped it
        words = [word for word in words if word.label is not None]
    verdict = adjudicate(words, asked, policy)
    if _is_audit(task) and not asked.escalated:
        verdict = looked_at_again(verdict, _audited(known, task))
    tier = None if verdict.tier is None else policy.tiers[verdict.tier].name
    waits = asked.escalated and verdict.label is None and bool(words)
    return _Outcome(
        task=task,
        verdict=verdict,
        stands=Weighed(
            task_id=decision.task_id,
            escalated_to=tier or (decision.tier if waits else None),
            settled_label=verdict.label,
            wants_reader=verdict.one_more,
        ),
        moved=None if tier is None else moved_up(decision, tier, verdict.reason),
    )


def _audited(known: _Known, task: Weighable) -> Audited:
    """What auditors said of it so far, and how many have not."""
    enough = known.policy.order(known.policy.audit.tier)
    told = [each for each in task.said if known.expertise.get(each.user_id, -1) >= enough]
    return Audited(
        label=task.entry.decision.label,
        said=tuple(each.label for each in told if each.label is not None),
        drawn=task.stands.task_id in known.twice,
        others=len(known.auditors.difference(each.user_id for each in task.said)),
    )


def _asked(known: _Known, task: Weighable) -> Asked:
    """Whom the task's decision asks, and how far more readers of that tier can be asked."""
    policy, decision = known.policy, task.entry.decision
    asked = asked_by(policy, decision, type_name(task.data.get(TASK_TYPE)))
    most = policy.agreement.most
    several = decision.purpose is Purpose.AGREEMENT and not asked.escalated
    if most is None or not several or not policy.agreement.adaptive:
        return asked
    most = min(most, max(1, known.able.get(asked.tier, 0)))
    found = task.consensus
    readers = Readers(most=most)
    if found is not None:
        readers = Readers(
            most=most, answers=found.answers, label=found.label, confidence=found.confidence
        )
    return replace(asked, answers=min(asked.answers, most), readers=readers)


def _changes(outcome: _Outcome) -> bool:
    return outcome.moved is not None or outcome.stands != outcome.task.stands


def _was_settled(outcome: _Outcome) -> bool:
    return outcome.task.stands.escalated_to is not None and outcome.verdict.label is not None


def _record(runtime: Runtime, project: ConnectedProject, outcomes: Sequence[_Outcome]) -> None:
    """Decisions and what they mean for the tasks, in one transaction."""
    by_grounds: dict[Grounds, list[Decision]] = defaultdict(list)
    for each in outcomes:
        if each.moved is not None:
            grounds = replace(each.task.entry.grounds, policy_hash=project.policy_hash)
            by_grounds[grounds].append(each.moved)
    now = runtime.now()
    with runtime.sessions.begin() as session:
        for grounds, decisions in by_grounds.items():
            append_decisions(session, project.id, decisions, grounds, now)
        store_weighed(session, project.id, [each.stands for each in outcomes])
        store_placed_for(session, project.id, "weighed since")
