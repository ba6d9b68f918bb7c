"""How good each annotator is, how fast, and which two disagree more than the others."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, false_discovery_control

from audit_jobs.measures.consensus import Consensus, hits
from audit_jobs.measures.rater_pairs import RaterPairs
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, FloatArray, IntArray
from policies.intervals import UNKNOWN, wilson

FALSE_DISCOVERIES = 0.05  # the share of pairs named as conspicuous that may be chance


def disagreeing_more(pairs: RaterPairs) -> FloatArray:
    """By pair, the chance of as many disagreements if it disagreed as all other pairs together do.

    Adjusted for the number of pairs (Benjamini and Hochberg 1995), so that of the pairs at or under
    ``FALSE_DISCOVERIES`` that share may be chance; NaN where there is one pair only.
    """
    disagreed = pairs.shared - pairs.agreed
    chances: FloatArray = np.full(len(pairs), np.nan)
    if len(pairs) > 1:
        usual = (disagreed.sum() - disagreed) / (pairs.shared.sum() - pairs.shared)
        chances = false_discovery_control(binom.sf(disagreed - 1, pairs.shared, usual))
    return chances


def agreement_with_consensus(ratings: Ratings, consensus: Consensus) -> tuple[Estimate, ...]:
    """By rater, how often he gave the label that his units have without him.

    Nobody agrees with himself: units that he rated alone, or whose others are tied, are left out.
    """
    agreed, compared = hits(ratings, consensus.others)
    return tuple(
        wilson(right, n) for right, n in zip(agreed.tolist(), compared.tolist(), strict=True)
    )


def lead_times(raters: IntArray, seconds: FloatArray, n_raters: int) -> tuple[Estimate, ...]:
    """By rater, the median time of an answer, with the 95 % interval of order statistics.

    Times that are not known, or not above 0, are left out. The interval needs six answers or
    more; with fewer the bounds are None.
    """
    known = np.isfinite(seconds) & (seconds > 0)
    order = np.lexsort((seconds[known], raters[known]))
    ends = np.cumsum(np.bincount(raters[known], minlength=n_raters))
    return tuple(_median(times) for times in np.split(seconds[known][order], ends[:-1]))


def _median(times: FloatArray) -> Estimate:
    """The median of sorted times; its bounds are two of the times, picked by binomial chance."""
    n = len(times)
    if n == 0:
        return UNKNOWN
    below = int(binom.ppf(0.025, n, 0.5)) - 1  # the coverage is at least 95 %
    certain = below >= 0
    return Estimate(
        value=float(np.median(times)),
        low=float(times[below]) if certain else None,
        high=float(times[n - 1 - below]) if certain else None,
        n=n,
    )
