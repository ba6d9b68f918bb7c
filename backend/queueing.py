"""Use case: from the ledger to what every open task should look like in Label Studio.

Each tier gets its day's queue: at most its capacity, the slices that everything is measured on
first (up to half of it), then the tasks whose label is worth most. The rest waits, in no view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC

import numpy as np

from backend.delivery import AUDIT_VIEW, CONTROL_VIEW
from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.decisions import OpenDecision, newest_seq, open_decisions
from backend.store.deliveries import Wish, store_wishes
from backend.store.figures import labels_since
from backend.store.projects import ConnectedProject, placed_for, store_placed_for
from backend.store.tasks import count_human_labels
from policies.domain import FloatArray, Outcome, Purpose
from policies.loading import parse_policy
from policies.queue import order_queue
from policies.sampling import QUEUE, draws
from policies.schema import Policy

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
_SLICES = (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT)


def place(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Note a wish for every open task whose look should change; how many, and how many wait."""
    policy = parse_policy(project.policy_text)
    now = runtime.now()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with runtime.reads() as session:
        placed_by = (
            f"{newest_seq(session, project.id)}/{count_human_labels(session, project.id)}"
            f"/{today.date()}"
        )
        if placed_for(session, project.id) == placed_by:
            return {"changed": 0, "waiting": 0}
        decisions = open_decisions(session, project.id)
        labels_today = labels_since(session, project.id, today)
    given = labels_by_tier(labels_today, tier_members(runtime, policy))
    capacity = {tier.name: tier.daily_capacity - given[tier.name] for tier in policy.tiers}
    wishes = wishes_of(policy, decisions, capacity)
    changed = 0
    for start in range(0, len(wishes), CHUNK):
        with runtime.sessions.begin() as session:
            changed += store_wishes(session, project.id, wishes[start : start + CHUNK], now)
    with runtime.sessions.begin() as session:  # last: after a crash all is placed once more
        store_placed_for(session, project.id, placed_by)
    waiting = sum(1 for wish in wishes if wish.marker is None and not wish.accepts)
    return {"changed": changed, "waiting": waiting}


def wishes_of(
    policy: Policy, decisions: Sequence[OpenDecision], capacity: Mapping[str, int]
) -> list[Wish]:
    """One wish for each open decision; ``capacity`` is how many labels each tier has left today."""
    queued: set[int] = set()
    for tier in policy.tier_names:
        own = [decision for decision in decisions if decision.tier == tier]
        queued |= {d.task_id for d in days_queue(policy.salt, own, max(0, capacity[tier]))}
    return [_wish(policy, decision, decision.task_id in queued) for decision in decisions]


def days_queue(salt: str, decisions: Sequence[OpenDecision], capacity: int) -> list[OpenDecision]:
    """The tasks that one tier labels today, at most ``capacity``.

    Slices may take half of the capacity, and what the others leave of it. Audits come first among
    them, then control and holdout in random order, so that every stop leaves a fair part of each.
    """
    slices = [d for d in decisions if d.purpose in _SLICES]
    routed = [d for d in decisions if d.purpose not in _SLICES]
    first = min(len(slices), max((capacity + 1) // 2, capacity - len(routed)))
    urgent = np.array([0.0 if d.purpose is Purpose.AUDIT else 1.0 for d in slices])
    scores = np.array([np.nan if d.score is None else d.score for d in routed], dtype=np.float64)
    return [
        *(slices[place] for place in order_queue(urgent, _draws(salt, slices), first)),
        *(routed[place] for place in order_queue(scores, _draws(salt, routed), capacity - first)),
    ]


def _draws(salt: str, decisions: Sequence[OpenDecision]) -> FloatArray:
    ids = np.array([decision.task_id for decision in decisions], dtype=np.int64)
    return draws(salt, QUEUE, ids)


def _wish(policy: Policy, decision: OpenDecision, queued: bool) -> Wish:  # noqa: FBT001  # one fact
    accepts = decision.outcome is Outcome.ACCEPT and decision.purpose is not Purpose.AUDIT
    shown = accepts or (queued and decision.purpose is Purpose.ROUTED)
    return Wish(
        task_id=decision.task_id,
        decision_seq=decision.seq,
        marker=_view(decision) if queued and not accepts else None,
        label=decision.label if shown else None,
        score=decision.score if shown else None,
        model_version=decision.model_version if shown and decision.label is not None else None,
        accepts=accepts,
        overlap=(
            policy.agreement.overlap if queued and decision.purpose is Purpose.AGREEMENT else 1
        ),
    )


def _view(decision: OpenDecision) -> str | None:
    match decision.purpose:
        case Purpose.CONTROL | Purpose.HOLDOUT:
            return CONTROL_VIEW
        case Purpose.AUDIT:
            return AUDIT_VIEW
        case Purpose.ROUTED | Purpose.AGREEMENT:
            return decision.tier
