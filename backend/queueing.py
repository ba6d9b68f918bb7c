"""Use case: from the ledger to what every open task should look like in Label Studio.

Each tier gets its day's queue: at most its capacity, divided by the policy's sampling quotas. The
rest waits, in no view.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np

from backend.delivery import AUDIT_VIEW, CONTROL_VIEW
from backend.gold import RANKS, GoldInQueues, Today, gold_wishes
from backend.reviewers import labels_by_tier, tier_members
from backend.runtime import Runtime
from backend.store.corrections import corrections
from backend.store.deliveries import Wish, looking_otherwise, store_wishes
from backend.store.figures import labels_since, strategies_since
from backend.store.gold import askable_gold, placed_gold
from backend.store.ledger import newest_seq
from backend.store.mirrors import MIRROR
from backend.store.open_decisions import OpenDecision, open_decisions
from backend.store.prelabels import count_prelabelled
from backend.store.projects import ConnectedProject, placed_for, store_placed_for
from backend.store.settled import count_settled, is_settled
from backend.store.votes import count_human_labels
from policies.adjudication import ESCALATION
from policies.automation import RULES_ALONE
from policies.breaker import RECALL
from policies.conditions import ENTROPY, NOVELTY
from policies.deployed import is_deployed
from policies.domain import MONITORED, SEEN, Outcome, Purpose, column
from policies.gold import GOLD
from policies.loading import parse_policy
from policies.queue import Pool, Waiting, days_places, known_failures
from policies.sampling import QUEUE, draws
from policies.schema import Policy

# Small, so that a webhook that comes meanwhile waits for one short transaction only.
CHUNK = 500
# The part of a day that asks one more reader about a task whose answers leave doubt.
ONE_MORE_READER = "one_more_reader"
# What measures comes in random order: what is answered first is a fair part of it.
_SLICES = (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT, *sorted(MONITORED))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Why a task is in its tier's queue, and how soon its view hands it out: 1 to ``RANKS``."""

    strategy: str
    rank: int


def place(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Note a wish for every open task whose look should change; how many, and how many wait."""
    policy = parse_policy(project.policy_text)
    now = runtime.now()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with runtime.reads() as session:
        placed_by = (
            f"{newest_seq(session, project.id)}/{count_human_labels(session, project.id)}"
            f"/{today.date()}/{count_prelabelled(session, project.id)}"
        )
        if placed_for(session, project.id) == placed_by:
            return {"changed": 0, "waiting": 0}
        decisions = open_decisions(session, project.id, but=is_settled())
        settled = count_settled(session, project.id)
        labels_today = labels_since(session, project.id, today)
        asked_today = strategies_since(session, project.id, today)
        corrected = corrections(session, project.id) if policy.sampling.known_failures else {}
        gold = GoldInQueues(
            tasks=askable_gold(session, project.id) if policy.gold.share else (),
            placed=placed_gold(session, project.id),
        )
    members = tier_members(runtime, policy)
    given = labels_by_tier(labels_today, members)
    capacity = {tier.name: tier.daily_capacity - given[tier.name] for tier in policy.tiers}
    had = {part: labels_by_tier(users, members) for part, users in asked_today.items()}
    wishes, looks = gold_wishes(
        policy,
        gold,
        Today(
            day=today.date(),
            members=members,
            capacity=capacity,
            given=asked_today.get(GOLD, {}),
        ),
    )
    left = {tier: capacity[tier] - taken for tier, taken in zip(capacity, looks, strict=True)}
    wishes += wishes_of(policy, decisions, left, pool_of(decisions, corrected, settled), had)
    with runtime.reads() as session:
        due = looking_otherwise(session, project.id, wishes)
    changed = 0
    for start in range(0, len(due), CHUNK):
        with runtime.sessions.begin() as session:
            changed += store_wishes(session, project.id, due[start : start + CHUNK], now)
    with runtime.sessions.begin() as session:  # last: after a crash all is placed once more
        store_placed_for(session, project.id, placed_by)
    waiting = sum(1 for wish in wishes if wish.marker is None and not wish.accepts)
    return {"changed": changed, "waiting": waiting}


def wishes_of(
    policy: Policy,
    decisions: Sequence[OpenDecision],
    capacity: Mapping[str, int],
    pool: Pool | None = None,
    had: Mapping[str, Mapping[str, int]] | None = None,
) -> list[Wish]:
    """One wish for each of these open decisions.

    ``capacity`` is how many labels each tier has left today, ``pool`` what the quotas know (None:
    these decisions alone), ``had`` how many of today's labels each part of the queue has had, by
    tier.
    """
    pool = pool or pool_of(decisions, {})
    placed: dict[int, _Place] = {}
    for tier in policy.tier_names:
        own = [decision for decision in decisions if decision.tier == tier]
        room = max(0, capacity[tier])
        first, others = contested_first(policy, own, room)
        queue = [(each, _why_first(each)) for each in first]
        given = {part: labels[tier] for part, labels in (had or {}).items()}
        queue += days_queue(policy, others, pool, room - len(first), given)
        placed |= _places(queue)
    return [_wish(policy, decision, placed.get(decision.task_id)) for decision in decisions]


def contested_first(
    policy: Policy, decisions: Sequence[OpenDecision], capacity: int
) -> tuple[list[OpenDecision], list[OpenDecision]]:
    """The tasks in doubt that a tier settles today, and what the rest of the day is made of.

    These are the escalated ones and those that wait for one more of its readers, and after them
    what was recalled. They come before everything but the slices, which keep their share of the
    day: a tier that did nothing but settle would measure nothing. The oldest come first; a recall
    appends the oldest accept first.
    """
    contested = sorted(
        (each for each in decisions if _in_doubt(each) or _recalled(each)),
        key=lambda each: (not _in_doubt(each), each.seq),
    )
    others = [each for each in decisions if not (_in_doubt(each) or _recalled(each))]
    slices = [each for each in others if each.purpose in _SLICES]
    room = capacity - min(len(slices), math.ceil(capacity * policy.sampling.random))
    return contested[:room], others if len(contested) <= room else slices


def pool_of(
    decisions: Sequence[OpenDecision],
    corrected: Mapping[str, tuple[int, int]],
    settled: Mapping[str | None, int] | None = None,
) -> Pool:
    """What the quotas know of a project: all its open decisions, and what people corrected.

    ``corrected`` is how many answers were given and how many corrected the model, by predicted
    label, ``settled`` how many open tasks there are by label beside these decisions.
    """
    own = (decision for decision in decisions if decision.purpose not in MONITORED)
    counts = Counter(settled or {})
    counts.update(decision.label for decision in own)
    return Pool(counts=counts, failing=known_failures(corrected))


def days_queue(
    policy: Policy,
    decisions: Sequence[OpenDecision],
    pool: Pool,
    capacity: int,
    given: Mapping[str, int] | None = None,
) -> list[tuple[OpenDecision, str]]:
    """The tasks that one tier labels today, at most ``capacity``, most wanted first.

    Each with the part of the day that asked for it; ``given`` is what each has had today. Audits
    come first in the random part, then control, holdout and what verifies a deployed model in
    random order, so that every stop leaves a fair part of each.
    """
    purposes = column([decision.purpose for decision in decisions])
    waiting = Waiting(
        measuring=np.isin(purposes, _SLICES),
        audits=purposes == Purpose.AUDIT,
        labels=column([decision.label for decision in decisions]),
        certainties=np.array([_certainty(policy, each) for each in decisions], np.float64),
        novelties=np.array([each.signals.get(NOVELTY, np.nan) for each in decisions], np.float64),
        draws=draws(policy.salt, QUEUE, np.array([d.task_id for d in decisions], np.int64)),
    )
    queue = days_places(policy.sampling, waiting, pool, capacity, given)
    places = queue.places.tolist()
    return [(decisions[place], part) for place, part in zip(places, queue.strategies, strict=True)]


def _certainty(policy: Policy, decision: OpenDecision) -> float:
    """How sure the model is, by the policy's measure; NaN where it gave no answer."""
    if decision.score is None:
        return np.nan
    by = policy.sampling.by
    # An answer without the figure is not the model's but a rule's: it stands by its score.
    if by == "least_confidence" or by not in decision.signals:
        return decision.score
    return -decision.signals[by] if by == ENTROPY else decision.signals[by]


def _places(queue: Sequence[tuple[OpenDecision, str]]) -> dict[int, _Place]:
    """The part and the rank of each queued task; ranks divide each view's tasks evenly."""
    sizes = Counter(_view(decision) for decision, _ in queue)
    seen: Counter[str | None] = Counter()
    placed = {}
    for decision, strategy in queue:
        view = _view(decision)
        rank = 1 + RANKS * seen[view] // sizes[view]
        placed[decision.task_id] = _Place(strategy=strategy, rank=rank)
        seen[view] += 1
    return placed


def _wish(policy: Policy, decision: OpenDecision, place: _Place | None) -> Wish:
    queued = place is not None
    accepts = decision.outcome is Outcome.ACCEPT and decision.purpose is not Purpose.AUDIT
    blind = _in_doubt(decision) or decision.purpose not in SEEN
    open_to_all = policy.shows_answers and not blind
    shown = accepts or ((queued or decision.prelabelled) and open_to_all)
    return Wish(
        task_id=decision.task_id,
        decision_seq=decision.seq,
        marker=_marker(policy, decision) if queued and not accepts else None,
        label=decision.label if shown else None,
        score=decision.score if shown else None,
        model_version=_version(decision) if shown and decision.label is not None else None,
        accepts=accepts,
        overlap=_overlap(policy, decision) if queued else 1,
        strategy=None if place is None else place.strategy,
        rank=None if place is None else place.rank,
        part_scores=decision.part_scores if shown else (),
    )


def _overlap(policy: Policy, decision: OpenDecision) -> int:
    """How many people must have answered before Label Studio hands the task out no more.

    Label Studio counts everybody: answers that do not count are wished for once more.
    """
    several = decision.purpose is Purpose.AGREEMENT and not _in_doubt(decision)
    return decision.people + (policy.agreement.overlap if several else 1)


def _in_doubt(decision: OpenDecision) -> bool:
    return decision.escalated or decision.wants_reader


def _recalled(decision: OpenDecision) -> bool:
    return decision.purpose is Purpose.RECALL


def _why_first(decision: OpenDecision) -> str:
    if decision.escalated:
        return ESCALATION
    return ONE_MORE_READER if decision.wants_reader else RECALL


def _version(decision: OpenDecision) -> str:
    if decision.predictor is not None and is_deployed(decision.predictor):
        return decision.predictor
    return decision.model_version or RULES_ALONE  # no model served: a rule gave the label


def _marker(policy: Policy, decision: OpenDecision) -> str | None:
    """What puts the task where people answer it: a view, or the mirror project."""
    mirrored = policy.audit.mirror is not None and decision.purpose is Purpose.AUDIT
    return MIRROR if mirrored else _view(decision)


def _view(decision: OpenDecision) -> str | None:
    if decision.escalated:
        return decision.tier
    match decision.purpose:
        case Purpose.CONTROL | Purpose.HOLDOUT:
            return CONTROL_VIEW
        case Purpose.AUDIT:
            return AUDIT_VIEW
        case Purpose.ROUTED | Purpose.AGREEMENT | Purpose.RECALL:
            return decision.tier
        case Purpose.MONITORING | Purpose.MONITORING_SHOWN:
            return decision.tier
