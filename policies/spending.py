"""The bill: what people's looks, their tools and the models cost, in the policy's currency.

The one place where the three line items are summed; plans, simulations and cycle reports come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from policies.domain import Estimate
from policies.intervals import UNKNOWN
from policies.schema import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is paid for: looks by tier, answers of models to tasks, and trainings."""

    looks: Mapping[str, int]
    predictions: int
    trainings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The three line items."""

    labour: float
    tooling: float
    compute: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.labour + self.tooling + self.compute

    @property
    def items(self) -> dict[str, float]:
        """The line items by name, without their total."""
        return asdict(self)


def cost_of(policy: Policy, work: Work) -> Cost:
    """The bill for this work; KeyError where looks name a tier that the policy does not have.

    >>> from policies.loading import parse_policy
    >>> policy = parse_policy('''
    ... project: Mail
    ... stakes: low
    ... tiers:
    ...   - {name: all, reviewers: [ann@example.com], cost_per_label: 0.10, daily_capacity: 90}
    ... auto_accept: never
    ... prices: {tooling_per_label: 0.02, compute_per_prediction: 0.001, compute_per_training: 2}
    ... ''')
    >>> cost = cost_of(policy, Work(looks={"all": 100}, predictions=1000, trainings=3))
    >>> cost.labour, cost.tooling, cost.compute, cost.total
    (10.0, 2.0, 7.0, 19.0)
    """
    prices = policy.prices
    return Cost(
        labour=sum(count * policy.tier(tier).cost_per_label for tier, count in work.looks.items()),
        tooling=sum(work.looks.values()) * prices.tooling_per_label,
        compute=work.predictions * prices.compute_per_prediction
        + work.trainings * prices.compute_per_training,
    )


def cost_all_manual(policy: Policy, tasks: int) -> float:
    """The bill without a model: one look by the first tier at every task, with its tools."""
    first = policy.tiers[0].name
    return cost_of(policy, Work(looks={first: tasks}, predictions=0, trainings=0)).total


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What acceptance has saved, in the policy's currency, at its prices.

    ``spared`` is what the first tier's look and its tools would have cost for every task whose
    accept stands (nobody has looked at it), ``proving`` the looks at control, holdout and audits,
    ``models`` the versions' answers and trainings. A task that only waits neither spares nor costs,
    so an import is no saving. Looks at control and holdout count in full, although their labels are
    kept: the true saving is not smaller than this one.
    """

    spared: float
    proving: float
    models: float

    @property
    def amount(self) -> float:
        """Spared less spent; negative where acceptance has cost more than it spared so far."""
        return self.spared - self.proving - self.models


def saving_of(policy: Policy, accepted: int, proving: Work) -> Saving:
    """What was saved where ``accepted`` labels stand and ``proving`` is what they took.

    ``proving`` has the looks at control, holdout and audits, and what the models did.

    >>> from policies.loading import parse_policy
    >>> policy = parse_policy('''
    ... project: Mail
    ... stakes: low
    ... tiers:
    ...   - {name: all, reviewers: [ann@example.com], cost_per_label: 0.10, daily_capacity: 90}
    ... auto_accept: never
    ... prices: {tooling_per_label: 0.02, compute_per_prediction: 0.001, compute_per_training: 2}
    ... ''')
    >>> saving = saving_of(
    ...     policy, 1000, Work(looks={"all": 100}, predictions=2000, trainings=1)
    ... )
    >>> [round(each, 2) for each in (saving.spared, saving.proving, saving.models, saving.amount)]
    [120.0, 12.0, 4.0, 104.0]
    """
    cost = cost_of(policy, proving)
    return Saving(
        spared=cost_all_manual(policy, accepted),
        proving=cost.labour + cost.tooling,
        models=cost.compute,
    )


def labour_by_tier(policy: Policy, looks: Mapping[str, int]) -> dict[str, float]:
    """What each tier's looks cost."""
    return {tier: count * policy.tier(tier).cost_per_label for tier, count in looks.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the tasks that have a label: all of them, and those that nobody looked at.

    ``accuracy`` is the model's on tasks that chance picked, ``pass_rate`` that of the accepts.
    """

    labelled: int
    accepted: int
    accuracy: Estimate
    pass_rate: Estimate


def avoided_errors(outcomes: Outcomes) -> Estimate:
    """Wrong labels that there would be if the model had labelled it all, and are not.

    What people said counts as right. The bounds are those of the worst and the best case of both
    figures together, so they are wider than 95 % would need. Undefined where nothing tells the
    model's accuracy; accepts that no audit has seen count as wrong as the model on average.

    >>> right = Estimate(value=0.9, low=0.8, high=0.95, n=100)
    >>> passed = Estimate(value=0.99, low=0.95, high=1.0, n=100)
    >>> done = Outcomes(labelled=1000, accepted=600, accuracy=right, pass_rate=passed)
    >>> avoided = avoided_errors(done)
    >>> [round(each or 0.0) for each in (avoided.value, avoided.low, avoided.high)]
    [94, 20, 200]
    """
    accuracy, passed = outcomes.accuracy, outcomes.pass_rate
    if passed.value is None:
        passed = accuracy
    values = (accuracy.value, accuracy.low, accuracy.high, passed.value, passed.low, passed.high)
    if any(each is None for each in values):
        return UNKNOWN
    of, low, high, kept, kept_low, kept_high = (each or 0.0 for each in values)

    def avoided(right: float, passing: float) -> float:
        return outcomes.labelled * (1 - right) - outcomes.accepted * (1 - passing)

    return Estimate(
        value=avoided(of, kept),
        low=avoided(high, kept_low),
        high=avoided(low, kept_high),
        n=accuracy.n,
    )


def cost_per_avoided_error(cost: Cost, avoided: Estimate) -> Estimate:
    """What people and their tools cost for each error that they kept out of the labels.

    A bound is None where it could be that no error was avoided: then no price is too high.
    """
    spent = cost.labour + cost.tooling

    def price(errors: float | None) -> float | None:
        return spent / errors if errors is not None and errors > 0 else None

    return Estimate(
        value=price(avoided.value), low=price(avoided.high), high=price(avoided.low), n=avoided.n
    )


def expected_trainings(policy: Policy, looks: int) -> int:
    """How often so many looks train a model: at ``minimum_labels``, then each after as many more.

    An estimate from above: looks at control and holdout are counted, though they train nothing, and
    so are trainings that several triggers would share.
    """
    retrain = policy.retrain
    if looks < retrain.minimum_labels:
        return 0
    return 1 + (looks - retrain.minimum_labels) // retrain.after_annotations
