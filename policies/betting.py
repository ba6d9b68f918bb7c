"""Bets on audits: what each one multiplies the evidence by, against a promised error rate.

An audit multiplies it by ``1 + stake * weight * (wrong - promised)``. On average that is at most 1
whatever the stakes above 0, as long as the error rate is at most the promised one; and whatever the
stakes below 0, as long as it is at least that. So evidence that has grown k-fold comes up with a
chance of at most 1 in k if its hypothesis does not hold, at whichever moment one looks (Ville 1939;
Ramdas, Gruenwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid
inference").
"""

from __future__ import annotations

import numpy as np

from policies.domain import BoolArray, FloatArray, IntArray

# What a right label of the largest weight may take away at most, of what spoke for a higher rate.
_MOST_AT_STAKE = 0.75


def log_factors(
    wrong: BoolArray,
    promised: float,
    rates: FloatArray,
    weights: FloatArray,
    largest_weight: float,
) -> FloatArray:
    """The logarithm of each audit's factor, one row for each of the ``rates`` that are bet on.

    Where all weights are alike the factors are likelihood ratios of that rate against the promised
    one. Where they differ, the bets are the same in units of the mean weight so far, and held so
    small that the largest weight cannot lose more than everything. -inf where everything is lost.
    """
    bets = (rates - promised) / (promised * (1 - promised))
    # The bet on an audit must not know that audit's weight: the mean of those before it.
    before = np.cumsum(weights) - weights
    counts: IntArray = np.arange(len(weights), dtype=np.int64)
    scales = np.where(counts > 0, before / np.maximum(counts, 1), largest_weight)
    highest = _MOST_AT_STAKE / (promised * largest_weight)
    lowest = -1 / ((1 - promised) * largest_weight)
    stakes = np.clip(bets[:, None] / scales, lowest, highest)
    gains = np.maximum(stakes * (weights * (wrong - promised)), -1.0)
    with np.errstate(divide="ignore"):
        factors: FloatArray = np.log1p(gains)
    return factors
