"""Gold in the queues: which known tasks each tier's people are to answer again today, blind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from backend.store.deliveries import Wish
from backend.store.gold import AskedGold
from policies.gold import GOLD, GoldDay, gold_places
from policies.sampling import draws
from policies.schema import Policy

# How finely views are ordered: each rank is one more version in Label Studio's lists of versions.
RANKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldInQueues:
    """What is known of gold: the tasks, and those that a queue had: id -> decision's number."""

    tasks: Sequence[AskedGold] = ()
    placed: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What each tier has of a day: its people, the labels left to it, the gold each has had."""

    day: date
    members: Mapping[str, AbstractSet[int]]
    capacity: Mapping[str, int]
    given: Mapping[int, int]


def gold_wishes(policy: Policy, gold: GoldInQueues, today: Today) -> tuple[list[Wish], list[int]]:
    """Wishes for the gold of the day and for what leaves the queues; looks by tier, in order.

    A task is in one tier's view at a time. Its rank is drawn, so that its place in the view says
    nothing.
    """
    left = {task.task_id: task for task in gold.tasks}
    wishes: list[Wish] = []
    looks: list[int] = []
    for tier in policy.tiers:
        ids = _ordered(policy, tier.name, list(left))
        places = gold_places(
            {task_id: left[task_id].answered | left[task_id].authors for task_id in ids},
            GoldDay(
                reviewers=_shuffled(policy, today, tier.name),
                looks=math.ceil(policy.gold.share * tier.daily_capacity),
                given=today.given,
                room=max(0, today.capacity[tier.name]),
            ),
        )
        looks.append(sum(places.values()))
        wishes += [
            _asking(policy, tier.name, left.pop(task_id), people)
            for task_id, people in places.items()
        ]
    asked = {wish.task_id for wish in wishes}
    wishes += [_leaving(*each) for each in gold.placed.items() if each[0] not in asked]
    return wishes, looks


def _ordered(policy: Policy, tier: str, ids: Sequence[int]) -> list[int]:
    """The tasks in the order in which the tier meets them, always the same."""
    drawn = draws(policy.salt, f"{GOLD}:{tier}", np.array(ids, dtype=np.int64))
    return [ids[place] for place in np.argsort(drawn, kind="stable")]


def _shuffled(policy: Policy, today: Today, tier: str) -> list[int]:
    """The tier's people in an order of the day, so that an odd look goes to somebody else daily."""
    users = sorted(today.members[tier])
    drawn = draws(policy.salt, f"{GOLD}:{today.day}", np.array(users, dtype=np.int64))
    return [users[place] for place in np.argsort(drawn, kind="stable")]


def _asking(policy: Policy, tier: str, task: AskedGold, people: int) -> Wish:
    drawn = draws(policy.salt, f"{GOLD}:rank", np.array([task.task_id], dtype=np.int64))
    return Wish(
        task_id=task.task_id,
        decision_seq=task.decision_seq,
        marker=tier,
        label=None,
        score=None,
        model_version=None,
        accepts=False,
        overlap=len(task.answered) + people,
        strategy=GOLD,
        rank=1 + int(drawn[0] * RANKS),
    )


def _leaving(task_id: int, decision_seq: int) -> Wish:
    """In no view; that it was gold stays written, so that the day's answers are known to be."""
    return Wish(
        task_id=task_id,
        decision_seq=decision_seq,
        marker=None,
        label=None,
        score=None,
        model_version=None,
        accepts=False,
        overlap=1,
        strategy=GOLD,
    )
