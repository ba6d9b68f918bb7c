"""Cohen's kappa, plain and weighted, of all pairs of raters at once.

Cohen 1960 and 1968. The interval is the jackknife's over the units that both rated, on the scale
log(1 - kappa), where it is nearly symmetric and cannot pass 1. Where no unit makes a difference,
the bounds are those of four (1.96²) more units without, and with, agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import sparse, stats

from audit_jobs.measures.bootstrap import Sparse, ratio, sum_by
from audit_jobs.measures.fleiss import beyond_chance
from audit_jobs.measures.rater_pairs import RaterPairs
from policies.domain import Estimate, FloatArray, IntArray
from policies.intervals import wilson

_MORE_UNITS = 1.959963984540054**2


def cohen_kappas(
    pairs: RaterPairs, labels: int, weights: FloatArray | None = None
) -> list[Estimate]:
    """Cohen's kappa of each pair, with a table of agreement weights where one is given.

    Undefined where both always gave one and the same label.
    """
    tables = _tables(pairs, labels, weights)
    kappa = beyond_chance(tables.seen / tables.shared, tables.by_chance / tables.shared**2)
    low, high = _bounds(tables, kappa, _spread(tables, kappa))
    columns = (kappa.tolist(), low.tolist(), high.tolist(), pairs.shared.tolist())
    return [
        Estimate(value=None, low=None, high=None, n=n)
        if np.isnan(value)
        else Estimate(value=value, low=least, high=most, n=n)
        for value, least, most, n in zip(*columns, strict=True)
    ]


def pair_agreement(pairs: RaterPairs) -> list[Estimate]:
    """The share of shared units on which each pair gave the same label, with Wilson's interval."""
    share = cache(wilson)
    columns = (pairs.agreed.tolist(), pairs.shared.tolist())
    return [share(agreed, shared) for agreed, shared in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Weighted agreement in the pairs' tables; ``without_...`` with one unit of a cell less."""

    shared: FloatArray
    seen: FloatArray
    by_chance: FloatArray
    pair: IntArray
    times: FloatArray
    without_seen: FloatArray
    without_by_chance: FloatArray


def _tables(pairs: RaterPairs, labels: int, weights: FloatArray | None) -> _Tables:
    weighing: Sparse = sparse.eye_array(labels, format="csr")
    if weights is not None:
        if weights.shape != (labels, labels):
            raise ValueError(f"{labels} labels need a table of {labels} x {labels} weights")
        weighing = sparse.csr_array(weights)
    times = pairs.times.astype(np.float64)
    shape = (len(pairs), labels)
    left = sparse.coo_array((times, (pairs.pair, pairs.said_left)), shape=shape).tocsr()
    right = sparse.coo_array((times, (pairs.pair, pairs.said_right)), shape=shape).tocsr()
    left_meets, right_meets = sparse.csr_array(left @ weighing), right @ weighing.T
    weight = _at(weighing, pairs.said_left, pairs.said_right)
    seen = sum_by(pairs.pair, times * weight, len(pairs))
    by_chance: FloatArray = np.asarray(left_meets.multiply(right).sum(axis=1))
    less = _at(sparse.csr_array(right_meets), pairs.pair, pairs.said_left)
    less += _at(left_meets, pairs.pair, pairs.said_right)
    return _Tables(
        shared=pairs.shared.astype(np.float64),
        seen=seen,
        by_chance=by_chance,
        pair=pairs.pair,
        times=times,
        without_seen=seen[pairs.pair] - weight,
        without_by_chance=by_chance[pairs.pair] - less + weight,
    )


def _at(table: Sparse, rows: IntArray, columns: IntArray) -> FloatArray:
    """The entries of a sparse table at these places, 0 where it has none."""
    table.sort_indices()
    width = table.shape[1]
    in_row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    there = in_row * width + table.indices
    if len(there) == 0:
        return np.zeros(len(rows))
    wanted = rows * width + columns
    place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    found: FloatArray = np.where(there[place] == wanted, table.data[place], 0.0)
    return found


def _spread(tables: _Tables, kappa: FloatArray) -> FloatArray:
    """The jackknife's standard error of each kappa; NaN where leaving out shows nothing."""
    left = tables.shared[tables.pair] - 1
    without = beyond_chance(
        ratio(tables.without_seen, left), ratio(tables.without_by_chance, left**2)
    )
    known = ~np.isnan(without)
    pair, times, without = tables.pair[known], tables.times[known], without[known]
    units = sum_by(pair, times, len(kappa))
    mean = ratio(sum_by(pair, times * without, len(kappa)), units)
    apart = sum_by(pair, times * (without - mean[pair]) ** 2, len(kappa))
    spread: FloatArray = np.sqrt(ratio((units - 1) * apart, units))
    return spread


def _bounds(
    tables: _Tables, kappa: FloatArray, spread: FloatArray
) -> tuple[FloatArray, FloatArray]:
    units = tables.shared
    chance = tables.by_chance / units**2
    least = beyond_chance(tables.seen / (units + _MORE_UNITS), chance)
    most = beyond_chance((tables.seen + _MORE_UNITS) / (units + _MORE_UNITS), chance)
    varies = (spread > 1e-12) & (kappa < 1)
    steps = stats.t.ppf(0.975, np.maximum(units - 1, 1)) * ratio(spread, 1 - kappa)
    steps = np.minimum(np.where(varies, steps, 0), 50.0)
    low = np.where(varies, 1 - (1 - kappa) * np.exp(steps), np.fmin(least, kappa))
    high = np.where(varies, 1 - (1 - kappa) * np.exp(-steps), np.fmax(most, kappa))
    return np.maximum(low, -1), high
