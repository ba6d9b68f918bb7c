"""What-if: what a policy would have done with a history, in accepts, errors, queues and money.

The replay uses ``policies.engine.decide`` and nothing else, and certifies its threshold on the
history's own control slice, so a plan promises no more than the running system would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.audit_plan import AuditPlan, lacking_audits
from policies.certifying import Evidence, certify_promises, reaching_auto_accept, unsliced
from policies.decisions import Decisions
from policies.domain import (
    BoolArray,
    Candidates,
    Certification,
    Estimate,
    FloatArray,
    ObjectArray,
    Outcome,
    Purpose,
    part_of,
)
from policies.engine import decide
from policies.intervals import wilson
from policies.promises import AutoAccept, promises_of
from policies.safeguards import NONE, Safeguards
from policies.sampling import SLICE, draws
from policies.schema import Policy
from policies.spending import Cost, Work, cost_all_manual, cost_of, expected_trainings

# What stands for the model version where all predictions of a history count as one model's.
HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Tasks with a model's answers and what people said of them, in columns of one length.

    ``labels`` holds None where no person answered; ``tiers`` who answered, None where unknown;
    ``lead_times`` the seconds that it took, NaN where unknown.
    """

    candidates: Candidates
    labels: ObjectArray
    tiers: ObjectArray
    lead_times: FloatArray

    def __len__(self) -> int:
        return len(self.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a policy would do with a history.

    ``accepted`` counts labels that would stand without a human look: accepts drawn for audit are
    in ``review`` under the tier that audits them, so accepted and reviewed add up to ``tasks``.
    ``looks`` counts the labels that each tier gives: more than tasks where several people answer
    one. ``days`` is how long each tier's queue takes at its capacity, ``hours`` its people's time,
    None where nothing says how long a label takes. ``cost`` bills the looks, one prediction a task
    and the trainings that the looks would start. ``saving_share`` is None where all by hand would
    cost nothing.
    """

    tasks: int
    accepted: int
    expected_error: Estimate
    review: dict[str, int]
    looks: dict[str, int]
    days: dict[str, int]
    hours: dict[str, float | None]
    cost: Cost
    cost_all_manual: float
    certification: Certification | None
    floor: float
    decisions: Decisions

    @property
    def accepted_share(self) -> float | None:
        """The part of the tasks that needs nobody; None without any task."""
        return self.accepted / self.tasks if self.tasks else None

    @property
    def saving_share(self) -> float | None:
        """The part of the money that all by hand would cost and this does not."""
        return 1 - self.cost.total / self.cost_all_manual if self.cost_all_manual else None

    def as_json(self, changed: int | None) -> dict[str, Any]:
        """The figures under their names; ``changed`` as ``changes`` counts them."""
        return {
            "tasks": self.tasks,
            "accepted": self.accepted,
            "accepted_share": self.accepted_share,
            "expected_error": self.expected_error.as_json(),
            "review": self.review,
            "hours": self.hours,
            "cost": self.cost.items | {"total": self.cost.total},
            "cost_all_manual": self.cost_all_manual,
            "saving_share": self.saving_share,
            "changed": changed,
        }


def plan(
    policy: Policy,
    history: History,
    evidence: History | None = None,
    *,
    seconds: Mapping[str, float] | None = None,
    safeguards: Safeguards | None = None,
) -> Plan:
    """Replay ``history`` under the policy.

    The threshold is certified on the control answers of ``evidence``, on a grid from scores of the
    history's other tasks, whose labels have no say. ``evidence`` is the history itself unless
    given. Then the expected error is measured there too, on what would be accepted outside the
    control slice; else on the history's own accepts whose label is known. Either way no answer
    both chose the threshold and measures the error.

    ``seconds`` is how long a label took each tier, where that was measured outside the history;
    ``safeguards`` what audits and breakers have found so far. Without them the project is a new
    one: nothing is audited yet, and the claim and every label lack their audits.

    Raises
        ValueError: a field or signal that the policy's routes look at is not in the candidates.
    """
    known = history if evidence is None else evidence
    certification = _certification(policy, history.candidates, known)
    decisions = decide(
        policy,
        history.candidates,
        certification,
        model_version=HISTORY,
        safeguards=_of_new_project(policy) if safeguards is None else safeguards,
    )
    accepts = decisions.outcomes == Outcome.ACCEPT
    standing: BoolArray = accepts & (decisions.purposes != Purpose.AUDIT)
    if evidence is None:
        measured = _error(standing, history)
    else:
        measured = _error(_accepted_outside_control(policy, evidence, certification), evidence)
    review, looks = _queues(policy, decisions, standing)
    return Plan(
        tasks=len(history),
        accepted=int(standing.sum()),
        expected_error=measured,
        review=review,
        looks=looks,
        days={tier.name: -(-looks[tier.name] // tier.daily_capacity) for tier in policy.tiers},
        hours=_hours(looks, _seconds(policy, known) | dict(seconds or {})),
        cost=_cost(policy, looks, len(history)),
        cost_all_manual=cost_all_manual(policy, len(history)),
        certification=certification,
        floor=policy.auto_accept.floor if isinstance(policy.auto_accept, AutoAccept) else 1.0,
        decisions=decisions,
    )


def changes(decisions: Decisions, others: Decisions) -> int:
    """How many tasks another outcome or tier would get; both decide the same tasks in order."""
    outcome = decisions.outcomes != others.outcomes
    return int(np.count_nonzero(outcome | (decisions.tiers != others.tiers)))


def _of_new_project(policy: Policy) -> Safeguards:
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return NONE
    return Safeguards(audits=AuditPlan(lacking=lacking_audits(rule, drawn=0, answered=0, errors=0)))


def _certification(policy: Policy, pool: Candidates, known: History) -> Certification | None:
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    answered = np.array([label is not None for label in known.labels], bool)
    control = (
        _in_control(policy, known.candidates)
        & answered
        & reaching_auto_accept(policy, known.candidates)
    )
    others = ~_in_control(policy, pool) & reaching_auto_accept(policy, pool)
    evidence = Evidence(
        control=part_of(known.candidates, control),
        truth=known.labels[control],
        pool=part_of(pool, others),
    )
    promises = promises_of(rule, _said(pool), policy.tiers[0].cost_per_label)
    certificates = certify_promises(rule, promises, evidence, model_version=HISTORY)
    return Certification(model_version=HISTORY, certificates=certificates)


def _said(candidates: Candidates) -> dict[str, list[str]]:
    """The labels that each predictor gave in the history, in the order of the alphabet."""
    said: dict[str, set[str]] = {}
    pairs = zip(candidates.predictors.tolist(), candidates.labels.tolist(), strict=True)
    for predictor, label in pairs:
        if label is not None:
            said.setdefault(predictor, set()).add(label)
    return {predictor: sorted(labels) for predictor, labels in said.items()}


def _in_control(policy: Policy, candidates: Candidates) -> BoolArray:
    drawn: BoolArray = draws(policy.salt, SLICE, candidates.task_ids) < policy.control.share
    return drawn


def _accepted_outside_control(
    policy: Policy, evidence: History, certification: Certification | None
) -> BoolArray:
    candidates = evidence.candidates
    decided = decide(unsliced(policy), candidates, certification, model_version=HISTORY)
    accepts = np.asarray(decided.outcomes == Outcome.ACCEPT, bool)
    return accepts & ~_in_control(policy, candidates)


def _error(accepted: BoolArray, history: History) -> Estimate:
    measured = accepted & np.array([label is not None for label in history.labels], bool)
    wrong = history.candidates.labels[measured] != history.labels[measured]
    return wilson(int(np.count_nonzero(wrong)), int(measured.sum()))


def _queues(
    policy: Policy, decisions: Decisions, standing: BoolArray
) -> tuple[dict[str, int], dict[str, int]]:
    review = {
        name: int(np.count_nonzero(~standing & (decisions.tiers == name)))
        for name in policy.tier_names
    }
    overlapping = decisions.purposes == Purpose.AGREEMENT
    extra = policy.agreement.overlap - 1
    looks = {
        name: tasks + extra * int(np.count_nonzero(overlapping & (decisions.tiers == name)))
        for name, tasks in review.items()
    }
    return review, looks


def _cost(policy: Policy, looks: Mapping[str, int], tasks: int) -> Cost:
    """One answer of the model to every task, and as many trainings as the looks would start."""
    trainings = expected_trainings(policy, sum(looks.values()))
    return cost_of(policy, Work(looks=looks, predictions=tasks, trainings=trainings))


def _hours(
    looks: Mapping[str, int], seconds: Mapping[str, float | None]
) -> dict[str, float | None]:
    """People's time by tier; None where nothing says how long a label takes."""
    hours: dict[str, float | None] = {}
    for name, count in looks.items():
        each = seconds[name]
        hours[name] = None if each is None else count * each / 3600
    return hours


def _seconds(policy: Policy, known: History) -> dict[str, float | None]:
    """A label's time by tier: its mean lead time, else what the policy says.

    Where nothing says which tier answered, everybody's lead times count for each.
    """
    timed = np.isfinite(known.lead_times)
    named = any(tier is not None for tier in known.tiers)
    seconds: dict[str, float | None] = {}
    for tier in policy.tiers:
        measured = timed & (known.tiers == tier.name) if named else timed
        mean = float(known.lead_times[measured].mean()) if measured.any() else None
        seconds[tier.name] = tier.seconds_per_label if mean is None else mean
    return seconds
