"""What people's labels cost, and what they would have cost without a model."""

from __future__ import annotations

from collections.abc import Mapping


def labour_cost(labels: Mapping[str, int], price: Mapping[str, float]) -> float:
    """The price of the labels that each tier gave; the unit is the policy's currency."""
    return sum(count * price[tier] for tier, count in labels.items())


def cost_all_manual(tasks: int, cheapest_price: float) -> float:
    """One label by the least expert tier for every task."""
    return tasks * cheapest_price
