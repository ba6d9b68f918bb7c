"""A plan of a random sample of a project's tasks, as figures of the whole project.

Numbers are drawn from all that a task may have, and some have no task: so counts, the number of
tasks among them, are shares of the numbers drawn (Horvitz-Thompson with equal chances). Intervals
are Wilson's with what the sample leaves out of a finite whole (Cochran 1977, 2.6): where every
number was looked up, nothing is left to chance.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from policies.audit_plan import AuditPlan, lacking_audits
from policies.certifying import told
from policies.domain import BoolArray, Estimate, FloatArray, Outcome, Purpose
from policies.intervals import UNKNOWN, wilson_bounds
from policies.planning import Plan
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.spending import Cost, Work, cost_all_manual, cost_of, expected_trainings

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How a sample was drawn: ``drawn`` of ``numbers`` were looked up, ``tasks`` had a task."""

    numbers: int
    drawn: int
    tasks: int

    @property
    def complete(self) -> bool:
        """Whether all tasks are in it."""
        return self.drawn == self.numbers

    @property
    def part(self) -> float:
        """The part of the whole that was looked at."""
        return self.drawn / self.numbers if self.numbers else 1.0

    def count(self, found: int) -> Estimate:
        """How many there are in the whole project where so many were found in the sample."""
        if self.complete:
            return Estimate(value=found, low=found, high=found, n=self.tasks)
        low, high = wilson_bounds(found / self.drawn, self._worth(self.drawn))
        return Estimate(
            value=found / self.part, low=low * self.numbers, high=high * self.numbers, n=self.tasks
        )

    def share(self, found: int) -> Estimate:
        """The share of the project's tasks; undefined without any."""
        if not self.tasks:
            return UNKNOWN
        share = found / self.tasks
        low, high = wilson_bounds(share, self._worth(self.tasks))
        return Estimate(value=share, low=low, high=high, n=self.tasks)

    def total(self, values: FloatArray) -> Estimate:
        """The sum over the project of what the sample's tasks have, by the normal distribution."""
        found = float(values.sum())
        if self.complete:
            return Estimate(value=found, low=found, high=found, n=self.tasks)
        squares = float((values**2).sum()) - found**2 / self.drawn  # numbers without a task add 0
        deviation = math.sqrt(max(squares, 0.0) / max(self.drawn - 1, 1))
        half = _Z95 * deviation * math.sqrt((1 - self.part) / self.drawn) * self.numbers
        value = found / self.part
        return Estimate(value=value, low=max(0.0, value - half), high=value + half, n=self.tasks)

    def _worth(self, n: int) -> float:
        return math.inf if self.complete else n / (1 - self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFigures:
    """A tier's work: tasks in its queue, labels that it gives, days at capacity, people's hours.

    ``days_low`` and ``days_high`` are those at the ends of the labels' interval. ``hours`` is None
    where nothing says how long a label takes.
    """

    name: str
    capacity: int
    tasks: Estimate
    looks: Estimate
    days: int
    days_low: int
    days_high: int
    hours: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a policy would do with the whole project; fields as those of ``Plan``.

    ``changed`` is how many decisions differ from the policy's in force, None of that one itself.
    ``thresholds`` says of each promise what was certified, () where the policy accepts nothing.
    """

    tasks: Estimate
    accepted: Estimate
    accepted_share: Estimate
    expected_error: Estimate
    tiers: tuple[TierFigures, ...]
    cost: Cost
    cost_total: Estimate
    cost_all_manual: float
    changed: Estimate | None
    thresholds: tuple[str, ...]

    @property
    def saving_share(self) -> float | None:
        """The part of the money that all by hand would cost and this does not."""
        return 1 - self.cost.total / self.cost_all_manual if self.cost_all_manual else None

    @property
    def hours(self) -> float | None:
        """Everybody's time; None where that of a tier with work is unknown."""
        times = [each.hours for each in self.tiers if each.looks.value]
        known = [each for each in times if each is not None]
        return sum(known) if len(known) == len(times) else None


def figures_of(policy: Policy, plan: Plan, sample: Sample, changed: int | None = None) -> Figures:
    """The plan of the sample's tasks as figures of the whole project."""
    tiers = tuple(_tier(policy, plan, sample, name) for name in policy.tier_names)
    tasks = sample.count(sample.tasks)
    looks = {each.name: round(each.looks.value or 0) for each in tiers}
    cost = cost_of(
        policy,
        Work(
            looks=looks,
            predictions=round(tasks.value or 0),
            trainings=expected_trainings(policy, sum(looks.values())),
        ),
    )
    certificates = () if plan.certification is None else plan.certification.certificates
    return Figures(
        tasks=tasks,
        accepted=sample.count(plan.accepted),
        accepted_share=sample.share(plan.accepted),
        expected_error=plan.expected_error,
        tiers=tiers,
        cost=cost,
        cost_total=_about(cost.total, sample.total(_prices(policy, plan))),
        cost_all_manual=cost_all_manual(policy, round(tasks.value or 0)),
        changed=None if changed is None else sample.count(changed),
        thresholds=tuple(told(each, plan.floor) for each in certificates),
    )


def first_audits(policy: Policy, labels: Collection[str], sample: Sample) -> AuditPlan | None:
    """What a project that nothing is audited of yet lacks, as much of it as falls on the sample.

    A claim needs so many audits, and each label some: of the whole project, however large. In a
    sample of it the same number would be a larger share. None where the policy accepts nothing.
    """
    rule = policy.auto_accept
    if not isinstance(rule, AutoAccept):
        return None
    lacking = lacking_audits(rule, drawn=0, answered=0, errors=0)
    if sample.complete:
        return AuditPlan(lacking=lacking)
    audited = policy.audit.per_label - round(policy.audit.per_label * sample.part)
    return AuditPlan(audited=dict.fromkeys(labels, audited), lacking=round(lacking * sample.part))


def _tier(policy: Policy, plan: Plan, sample: Sample, name: str) -> TierFigures:
    capacity = policy.tier(name).daily_capacity
    tasks = sample.count(plan.review[name])
    each = plan.looks[name] / plan.review[name] if plan.review[name] else 1.0
    looks = Estimate(
        value=(tasks.value or 0) * each,
        low=(tasks.low or 0) * each,
        high=(tasks.high or 0) * each,
        n=tasks.n,
    )
    hours = plan.hours[name]
    days, low, high = (
        math.ceil(round(ends or 0, 6) / capacity) for ends in (looks.value, looks.low, looks.high)
    )
    return TierFigures(
        name=name,
        capacity=capacity,
        tasks=tasks,
        looks=looks,
        days=days,
        days_low=low,
        days_high=high,
        hours=None if hours is None else hours / sample.part,
    )


def _prices(policy: Policy, plan: Plan) -> FloatArray:
    """What people's looks at each task of the sample cost, with their tools."""
    decisions = plan.decisions
    accepted: BoolArray = (decisions.outcomes == Outcome.ACCEPT) & (
        decisions.purposes != Purpose.AUDIT
    )
    looks = np.where(decisions.purposes == Purpose.AGREEMENT, policy.agreement.overlap, 1)
    prices = np.zeros(len(decisions))
    for tier in policy.tiers:
        chosen = ~accepted & (decisions.tiers == tier.name)
        prices[chosen] = tier.cost_per_label + policy.prices.tooling_per_label
    spent: FloatArray = prices * looks
    return spent


def _about(value: float, people: Estimate) -> Estimate:
    """The whole bill with the interval of the work of people, which is all that chance moves."""
    middle = people.value or 0.0
    low, high = middle - (people.low or 0.0), (people.high or 0.0) - middle
    return Estimate(value=value, low=max(0.0, value - low), high=value + high, n=people.n)
