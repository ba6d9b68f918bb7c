"""What accepting costs: the error rate among accepted answers by the share that is accepted.

The risk-coverage curve of selective classification (El-Yaniv and Wiener 2010, "On the foundations
of noise-free selective classification"; Geifman and El-Yaniv 2017). Every answer with a score at or
above a threshold is accepted; equal scores are always accepted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from policies.costs import Costs, cheapest
from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import wilson

MOST_POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPoint:
    """What is accepted from ``threshold`` on: a share of the answers, and how many are wrong.

    ``error`` has the 95 % Wilson interval of this point alone; that all points of a curve lie in
    theirs at once is less sure, so a threshold is proved by a certificate and never read off here.
    """

    threshold: float
    coverage: float
    error: Estimate

    def as_json(self) -> dict[str, Any]:
        """Plain values, flat."""
        return {"threshold": self.threshold, "coverage": self.coverage, **self.error.as_json()}


def selective_risk(
    scores: ArrayLike, wrong: ArrayLike, most: int = MOST_POINTS
) -> tuple[RiskPoint, ...]:
    """The curve, strictest threshold first, of at most ``most`` points evenly over the coverage.

    Answers without a finite score are never accepted: they count in what coverage is a share of.

    >>> [point.error.value for point in selective_risk([0.9, 0.8, 0.7], [False, False, True])]
    [0.0, 0.0, 0.3333333333333333]

    Raises
        ValueError: the lengths differ.
    """
    thresholds, accepted, errors, total = _steps(scores, wrong)
    kept = _evenly(accepted, total, most)
    return tuple(
        RiskPoint(
            threshold=float(thresholds[place]),
            coverage=float(accepted[place]) / total,
            error=wilson(int(errors[place]), int(accepted[place])),
        )
        for place in kept
    )


def cheapest_point(scores: ArrayLike, wrong: ArrayLike, costs: Costs) -> RiskPoint | None:
    """Where accepting costs least on these answers, proved or not; None where it never pays.

    Raises
        ValueError: the lengths differ.
    """
    thresholds, accepted, errors, total = _steps(scores, wrong)
    if not len(thresholds):
        return None
    place = cheapest(errors, accepted, costs)
    if costs.error * errors[place] >= costs.review * accepted[place]:
        return None
    return RiskPoint(
        threshold=float(thresholds[place]),
        coverage=float(accepted[place]) / total,
        error=wilson(int(errors[place]), int(accepted[place])),
    )


def _steps(scores: ArrayLike, wrong: ArrayLike) -> tuple[FloatArray, IntArray, IntArray, int]:
    """Every threshold that accepts one answer more, strictest first, with what it accepts."""
    given: FloatArray = np.asarray(scores, dtype=np.float64)
    mistaken: BoolArray = np.asarray(wrong, dtype=np.bool_)
    if len(given) != len(mistaken):
        raise ValueError(f"scores and wrong differ in length: {len(given)} and {len(mistaken)}")
    finite = np.isfinite(given)
    order = np.argsort(-given[finite], kind="stable")
    ordered = given[finite][order]
    errors = np.cumsum(mistaken[finite][order], dtype=np.int64)
    # The last answer of each score: the one before another score, and the very last.
    ends = np.flatnonzero(np.diff(ordered, append=-np.inf) != 0).astype(np.int64)
    return ordered[ends], ends + 1, errors[ends], len(given)


def _evenly(accepted: IntArray, total: int, most: int) -> list[int]:
    """The places of the steps that are nearest to an even grid over the coverage; both ends."""
    if len(accepted) <= most:
        return list(range(len(accepted)))
    wanted = np.linspace(accepted[0], min(total, accepted[-1]), most)
    found = np.searchsorted(accepted, wanted, side="left")
    return [int(place) for place in np.unique(np.minimum(found, len(accepted) - 1))]
