"""What an accepted error costs against a person's look, and which threshold that makes cheapest."""

from __future__ import annotations

from dataclasses import dataclass

from policies.domain import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The price of one accepted error and of one review, in the policy's currency."""

    error: float
    review: float

    def __post_init__(self) -> None:
        if not (self.error >= 0 and self.review >= 0):
            raise ValueError(
                f"costs must not be negative: error {self.error}, review {self.review}"
            )


def cheapest(errors: IntArray, accepted: IntArray, costs: Costs) -> int:
    """The place of the threshold that costs least on the answers seen; the first among equals.

    Every accept saves a review and every error among them is paid for; what is reviewed costs the
    same for all, so it does not matter how many answers there are in all.
    """
    spent: FloatArray = costs.error * errors - costs.review * accepted.astype(float)
    return int(spent.argmin())
