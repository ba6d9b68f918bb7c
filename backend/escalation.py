"""Use case: weigh what people said, and hand contested tasks to the next more expert tier.

An escalated task is open again although people have answered it: ``backend.queueing`` puts it into
the tier's view, and nobody learns from it until that tier has settled it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.decisions import Grounds, append_decisions
from backend.store.escalations import Weighable, Weighed, store_weighed, weighable_tasks
from backend.store.projects import ConnectedProject
from policies.adjudication import Verdict, Word, adjudicate, asked_by, moved_up
from policies.competence import TASK_TYPE, type_name
from policies.domain import Decision
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
_STUCK_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """A task with what its answers came to, and the decision that follows where it moves."""

    task: Weighable
    verdict: Verdict
    stands: Weighed
    moved: Decision | None


def escalate(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Settle or move up every task whose answers have to be weighed.

    Returns how many moved up, were settled by the tier that they waited for, wait for one now, and
    which of them the top tier has skipped: these stay in its queue.
    """
    policy = parse_policy(project.policy_text)
    limited = any(tier.labels or tier.task_types for tier in policy.tiers)
    with runtime.reads() as session:
        tasks = weighable_tasks(session, project.id, every=limited)
    expertise = expertise_of(runtime, policy) if tasks else {}

    outcomes = [_outcome(policy, task, expertise) for task in tasks]

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
        "skipped_at_the_top": {"tasks": len(stuck), "first": stuck[:_STUCK_SHOWN]},
    }


def _outcome(policy: Policy, task: Weighable, expertise: Mapping[int, int]) -> _Outcome:
    decision = task.entry.decision
    asked = asked_by(policy, decision, type_name(task.data.get(TASK_TYPE)))
    words = [Word(expertise=expertise.get(s.user_id, 0), label=s.label) for s in task.said]
    if decision.tier is None:  # accepted: nobody was asked, so nobody can have skipped it
        words = [word for word in words if word.label is not None]
    verdict = adjudicate(words, asked, policy)
    tier = None if verdict.tier is None else policy.tiers[verdict.tier].name
    waits = asked.escalated and verdict.label is None and bool(words)
    return _Outcome(
        task=task,
        verdict=verdict,
        stands=Weighed(
            task_id=decision.task_id,
            escalated_to=tier or (decision.tier if waits else None),
            settled_label=verdict.label,
        ),
        moved=None if tier is None else moved_up(decision, tier, verdict.reason),
    )


def _changes(outcome: _Outcome) -> bool:
    task, stands = outcome.task, outcome.stands
    return outcome.moved is not None or (stands.escalated_to, stands.settled_label) != (
        task.escalated_to,
        task.settled_label,
    )


def _was_settled(outcome: _Outcome) -> bool:
    return outcome.task.escalated_to is not None and outcome.verdict.label is not None


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
