"""The bill: what people's looks, their tools and the models cost, in the policy's currency.

The one place where the three line items are summed; plans, simulations and cycle reports come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

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


def expected_trainings(policy: Policy, looks: int) -> int:
    """How often so many looks train a model: at ``minimum_labels``, then each after as many more.

    An estimate from above: looks at control and holdout are counted, though they train nothing, and
    so are trainings that several triggers would share.
    """
    retrain = policy.retrain
    if looks < retrain.minimum_labels:
        return 0
    return 1 + (looks - retrain.minimum_labels) // retrain.after_annotations
