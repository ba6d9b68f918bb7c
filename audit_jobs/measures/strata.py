"""Two groups compared within strata, so that what the strata are made of does not tell them apart.

Strata are weighted as Mantel and Haenszel (1959) do, by ``n1 * n0 / (n1 + n0)``: small ones are
welcome, those that lack one of the groups say nothing and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from policies.domain import BoolArray, Estimate, FloatArray, IntArray
from policies.intervals import wilson_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """The strata that hold both groups, in columns; ``share`` is how much each weighs, 1 in all.

    ``place`` has the stratum of each entry, -1 where its stratum lacks one of the groups.
    """

    place: IntArray
    one: IntArray  # entries of the first group
    other: IntArray
    share: FloatArray

    @property
    def matched(self) -> tuple[int, int]:
        """Entries of each group that are compared."""
        return int(self.one.sum()), int(self.other.sum())


def strata_of(columns: Sequence[IntArray], group: BoolArray) -> Strata:
    """Entries that are equal in all ``columns`` make a stratum; ``group`` is true of the first."""
    if len(group) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return Strata(place=empty, one=empty, other=empty, share=np.zeros(0))
    place: IntArray = np.zeros(len(group), dtype=np.int64)
    for column in columns:
        codes = np.unique(column, return_inverse=True)[1]
        place = np.unique(place * (codes.max() + 1) + codes, return_inverse=True)[1]
    size = int(place.max()) + 1
    one = np.bincount(place[group], minlength=size)
    other = np.bincount(place[~group], minlength=size)
    both = (one > 0) & (other > 0)
    renumbered = np.where(both, np.cumsum(both) - 1, -1)
    one, other = one[both], other[both]
    weight = one * other / (one + other)
    share: FloatArray = weight / weight.sum() if len(weight) else weight
    return Strata(place=renumbered[place], one=one, other=other, share=share)


def risk_difference(strata: Strata, group: BoolArray, hit: BoolArray) -> Estimate:
    """The share of hits in the first group less that in the other, with a 95 % interval.

    Both shares are standardised to the same strata. The interval is Newcombe's (1998, method 10)
    of two Wilson intervals on the effective sizes ``1 / sum(share**2 / n)``; with one stratum it is
    exactly his. ``n`` is how many entries are compared.
    """
    one = _standardised(strata, strata.one, group & hit)
    other = _standardised(strata, strata.other, ~group & hit)
    n = sum(strata.matched)
    if one is None or other is None:
        return Estimate(value=None, low=None, high=None, n=n)
    (p1, low1, high1), (p0, low0, high0) = one, other
    value = p1 - p0
    return Estimate(
        value=value,
        low=max(-1.0, value - math.hypot(p1 - low1, high0 - p0)),
        high=min(1.0, value + math.hypot(high1 - p1, p0 - low0)),
        n=n,
    )


def mean_difference(strata: Strata, group: BoolArray, figure: FloatArray) -> Estimate:
    """The mean of a figure in the first group less that in the other, with a 95 % t interval.

    The spread is that within strata, each group's own (Welch 1947 for its degrees of freedom);
    undefined bounds where no stratum has two of a group.
    """
    sums: list[tuple[float, float | None, int]] = []
    for chosen, sizes in ((group, strata.one), (~group, strata.other)):
        kept = chosen & (strata.place >= 0)
        place, values = strata.place[kept], figure[kept]
        means = np.bincount(place, values, minlength=len(sizes)) / np.maximum(sizes, 1)
        free = int(sizes.sum()) - len(sizes)
        spread = float(((values - means[place]) ** 2).sum()) / free if free > 0 else None
        factor = float((strata.share**2 / np.maximum(sizes, 1)).sum())
        error = None if spread is None else spread * factor
        sums.append((float((strata.share * means).sum()), error, free))
    n = sum(strata.matched)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    (mean1, error1, free1), (mean0, error0, free0) = sums
    value = mean1 - mean0
    if error1 is None or error0 is None or error1 + error0 <= 0:
        return Estimate(value=value, low=None, high=None, n=n)
    error = error1 + error0
    freedom = error**2 / (error1**2 / free1 + error0**2 / free0)
    half = float(t.ppf(0.975, freedom)) * math.sqrt(error)
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def _standardised(
    strata: Strata, sizes: IntArray, hits: BoolArray
) -> tuple[float, float, float] | None:
    """A group's share of hits over the common strata, with its Wilson interval."""
    if len(sizes) == 0:
        return None
    counted = np.bincount(strata.place[hits & (strata.place >= 0)], minlength=len(sizes))
    share = min(1.0, max(0.0, float((strata.share * counted / sizes).sum())))
    low, high = wilson_bounds(share, 1 / float((strata.share**2 / sizes).sum()))
    return share, low, high
