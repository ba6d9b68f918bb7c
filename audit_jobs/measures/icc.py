"""Intraclass correlations of numeric ratings: the share of all variance that is between units.

Shrout and Fleiss 1979, "Intraclass Correlations: Uses in Assessing Rater Reliability". The three
forms differ in who rates:

- (1,1) anybody, other raters for each unit: all units with two ratings or more; where they have
  unequal numbers of ratings, the usual (N - sum of squares / N) / (units - 1) stands for k;
- (2,1) the same raters for all units, a sample of possible ones: raters who rate higher than
  others count as disagreement;
- (3,1) the same raters, only these: they may differ in level.

(1,k), (2,k) and (3,k) are the same of the mean of all raters. Forms 2 and 3 need each rater's
rating of each unit: units that somebody left out are left out, and with fewer than two units that
all rated they are undefined. The interval draws units, the raters stay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from audit_jobs.measures.bootstrap import Sums, estimated, ratio, sum_by
from audit_jobs.measures.ratings import Ratings, numbers
from policies.domain import Estimate, FloatArray

_ROUNDING = 1e-12  # of the variance: what a subtraction leaves of zero


def intraclass_correlations(ratings: Ratings, seed: int = 0) -> dict[str, Estimate]:
    """ICC (1,1), (2,1), (3,1) and their averages, by the names icc_1_1 ... icc_3_k.

    Raises
        ValueError: a label that is no number.
    """
    scores = _standard(numbers(ratings.categories)[ratings.values])
    one_way, two_way = _one_way(ratings, scores), _two_way(ratings, scores)
    every = {
        "icc_1_1": (one_way, _anybody),
        "icc_2_1": (two_way, _sample_of_raters),
        "icc_3_1": (two_way, _these_raters),
        "icc_1_k": (one_way, _mean_of_anybody),
        "icc_2_k": (two_way, _mean_of_sample),
        "icc_3_k": (two_way, _mean_of_these),
    }
    return {name: _estimated(adds, figure, seed) for name, (adds, figure) in every.items()}


def _standard(scores: FloatArray) -> FloatArray:
    """Scores of mean 0 and variance 1, so that differences of squares keep their digits."""
    if len(scores) == 0 or np.ptp(scores) == 0:
        return np.zeros_like(scores)
    standard: FloatArray = (scores - scores.mean()) / scores.std()
    return standard


def _one_way(ratings: Ratings, scores: FloatArray) -> FloatArray:
    """What each unit adds: itself, its ratings, their square, sum, squared sum, and squares."""
    every = len(ratings.unit_names)
    sizes = np.bincount(ratings.units, minlength=every).astype(np.float64)
    summed = sum_by(ratings.units, scores, every)
    squared = sum_by(ratings.units, scores**2, every)
    squared_sum = ratio(summed**2, sizes)
    columns = [np.ones(every), sizes, sizes**2, summed, squared_sum, squared]
    several: FloatArray = np.stack(columns, axis=1)[sizes >= 2]
    return several


def _two_way(ratings: Ratings, scores: FloatArray) -> FloatArray:
    """What each unit that all rated adds: itself, its squared sum and squares, each rating."""
    k = len(ratings.rater_names)
    sizes = np.bincount(ratings.units, minlength=len(ratings.unit_names))
    complete = (sizes == k) & (k >= 2)
    rated = complete[ratings.units]
    rows = (np.cumsum(complete) - 1)[ratings.units[rated]]
    table = np.zeros((int(complete.sum()), k))
    table[rows, ratings.raters[rated]] = scores[rated]
    squared_sum = table.sum(axis=1) ** 2 / max(k, 1)
    return np.column_stack([np.ones(len(table)), squared_sum, (table**2).sum(axis=1), table])


def _estimated(adds: FloatArray, figure: Callable[[FloatArray], FloatArray], seed: int) -> Estimate:
    different, frequency = np.unique(adds, axis=0, return_counts=True)
    sums = Sums(
        adds=sparse.csr_array(different),
        frequency=frequency.astype(np.int64),
        n=len(adds),
        figure=figure,
    )
    return estimated(sums, seed)


def _between_and_within(totals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean squares between and within units, and how many ratings a unit has."""
    units, ratings, square_sizes, summed, squared_sums, squares = totals.T
    between = ratio(squared_sums - ratio(summed**2, ratings), units - 1)
    within = ratio(squares - squared_sums, ratings - units)
    k = ratio(ratings - ratio(square_sizes, ratings), units - 1)
    return _exact(between), _exact(within), k


def _anybody(totals: FloatArray) -> FloatArray:
    between, within, k = _between_and_within(totals)
    return ratio(between - within, between + (k - 1) * within)


def _mean_of_anybody(totals: FloatArray) -> FloatArray:
    between, within, _ = _between_and_within(totals)
    return ratio(between - within, between)


def _mean_squares(totals: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean squares between units, between raters, and of what is left."""
    units, squared_sums, squares = totals[:, 0], totals[:, 1], totals[:, 2]
    by_rater = totals[:, 3:]
    k = by_rater.shape[1]
    middle = ratio(by_rater.sum(axis=1) ** 2, units * k)
    of_units = squared_sums - middle
    of_raters = ratio((by_rater**2).sum(axis=1), units) - middle
    left = squares - middle - of_units - of_raters
    between = ratio(of_units, units - 1)
    raters = ratio(of_raters, np.full_like(units, k - 1))
    return _exact(between), _exact(raters), _exact(ratio(left, (units - 1) * (k - 1)))


def _sample_of_raters(totals: FloatArray) -> FloatArray:
    between, raters, left = _mean_squares(totals)
    units, k = totals[:, 0], totals.shape[1] - 3
    return ratio(between - left, between + (k - 1) * left + ratio(k * (raters - left), units))


def _mean_of_sample(totals: FloatArray) -> FloatArray:
    between, raters, left = _mean_squares(totals)
    return ratio(between - left, between + ratio(raters - left, totals[:, 0]))


def _these_raters(totals: FloatArray) -> FloatArray:
    between, _, left = _mean_squares(totals)
    return ratio(between - left, between + (totals.shape[1] - 4) * left)


def _mean_of_these(totals: FloatArray) -> FloatArray:
    between, _, left = _mean_squares(totals)
    return ratio(between - left, between)


def _exact(variance: FloatArray) -> FloatArray:
    return np.where(np.abs(variance) < _ROUNDING, 0, variance)
