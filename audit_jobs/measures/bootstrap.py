"""Intervals of figures that depend on sums over units: the bootstrap draws the units again.

Raters of a unit are not independent of each other, units are: so units are what is drawn. They
are drawn with their raters as they are, so an interval speaks of more units by the same people.

The interval is the bias-corrected and accelerated one (Efron 1987, with the jackknife's
acceleration), which covers better than bare percentiles where units are few or figures near 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from policies.domain import Estimate, FloatArray, IntArray

REPEATS = 1_000
# More groups than this are put together at random into blocks. Sums over blocks of units that
# are alike in distribution spread as the sums over the units do, and cost a fraction.
_MOST_GROUPS = 10_000
_BLOCKS = 1_000
_MOST_CELLS = 8_000_000  # held at a time: 64 MB
_NORMAL = 1.959963984540054  # 97.5 % of the normal distribution lie below

Sparse = sparse.csr_array[np.float64, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A figure of totals over units, and what each unit adds to them.

    ``adds`` has a row for each pattern of units, which ``frequency`` units show; ``n`` of them
    are told of. ``figure`` takes totals, a row for each resample, to the figures, NaN where it is
    undefined. ``best`` and ``worst`` are what an ordinary unit would add if all agreed on it and if
    nobody did.
    """

    adds: Sparse
    frequency: IntArray
    n: int
    figure: Callable[[FloatArray], FloatArray]
    best: FloatArray | None = None
    worst: FloatArray | None = None


def estimated(sums: Sums, seed: int = 0) -> Estimate:
    """The figure with its 95 % interval over resampled units; the same for the same seed.

    Resamples in which the figure is undefined are left out. Where all of them are equal, because
    all units agree, or there is one, the bounds are those of four (1.96²) more units of the worst
    and of the best kind, as Wilson's interval has it for a share of 0 or 1.
    """
    value = value_of(sums)
    if value is None:
        return Estimate(value=None, low=None, high=None, n=sums.n)
    total = totals(sums.adds, sums.frequency)
    repeats = _repeats(sums, seed)
    if len(repeats) == 0 or np.ptp(repeats) < 1e-12:
        low, high = _bounds_without_spread(sums, total, value)
    else:
        low, high = _bounds(repeats, value, _acceleration(sums, total))
    return Estimate(value=value, low=low, high=high, n=sums.n)


def value_of(sums: Sums) -> float | None:
    """The figure alone; None where it is undefined."""
    if sums.n == 0:
        return None
    value = float(sums.figure(totals(sums.adds, sums.frequency)[None, :])[0])
    return None if np.isnan(value) else value


def mean_unit(adds: Sparse, frequency: IntArray) -> FloatArray:
    """What an ordinary unit adds."""
    mean: FloatArray = totals(adds, frequency) / max(int(frequency.sum()), 1)
    return mean


def totals(adds: Sparse, frequency: IntArray) -> FloatArray:
    """What all units add together."""
    return weighted(frequency.astype(np.float64), adds)


def weighted(weights: FloatArray, adds: Sparse) -> FloatArray:
    """What units add where each counts as often as ``weights`` says."""
    return np.asarray(weights @ adds)


def ratio(above: FloatArray, below: FloatArray, undefined: float = np.nan) -> FloatArray:
    """The quotient, NaN where there is nothing to divide by.

    >>> ratio(np.array([1.0, 1.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    above, below = np.broadcast_arrays(above, below)
    out = np.full(above.shape, undefined, dtype=np.float64)
    np.divide(above, below, out=out, where=below > 0)
    return out


def sum_by(groups: IntArray, values: FloatArray, size: int) -> FloatArray:
    """The sum of the values of each group."""
    return np.bincount(groups, weights=values, minlength=size).astype(np.float64)


def _repeats(sums: Sums, seed: int) -> FloatArray:
    """The figure in each resample in which it is defined."""
    random = np.random.default_rng(seed)
    adds, frequency = sums.adds, sums.frequency
    if len(frequency) > _MOST_GROUPS:
        adds = _in_blocks(adds, frequency, random)
        frequency = np.ones(adds.shape[0], dtype=np.int64)
    step = max(
        1, _MOST_CELLS // max(*adds.shape, int(frequency.sum()) if _singly(frequency) else 0)
    )
    found = []
    for first in range(0, REPEATS, step):
        size = min(step, REPEATS - first)
        found.append(sums.figure(weighted(_drawn(frequency, size, random), adds)))
    every = np.concatenate(found)
    defined: FloatArray = every[~np.isnan(every)]
    return defined


def _singly(frequency: IntArray) -> bool:
    return int(frequency.sum()) <= 4 * len(frequency)


def _drawn(frequency: IntArray, size: int, random: np.random.Generator) -> FloatArray:
    """How often each group comes in ``size`` resamples, drawn whichever way is quicker."""
    units, groups = int(frequency.sum()), len(frequency)
    if not _singly(frequency):
        return random.multinomial(units, frequency / units, size=size).astype(np.float64)
    group_of = np.repeat(np.arange(groups), frequency)
    picked = group_of[random.integers(0, units, (size, units))]
    cells = picked + groups * np.arange(size)[:, None]
    return np.bincount(cells.ravel(), minlength=size * groups).reshape(size, groups).astype(float)


def _in_blocks(adds: Sparse, frequency: IntArray, random: np.random.Generator) -> Sparse:
    units = random.permutation(np.repeat(np.arange(len(frequency)), frequency))
    blocks = np.arange(len(units)) % _BLOCKS
    shape = (_BLOCKS, len(frequency))
    return sparse.coo_array((np.ones(len(units)), (blocks, units)), shape=shape).tocsr() @ adds


def _bounds(repeats: FloatArray, value: float, acceleration: float) -> tuple[float, float]:
    below = (repeats < value - 1e-12).mean() + 0.5 * (np.abs(repeats - value) <= 1e-12).mean()
    bias = ndtri(np.clip(below, 1 / REPEATS, 1 - 1 / REPEATS))
    tails = bias + np.array([-_NORMAL, _NORMAL])
    shares = ndtr(bias + tails / np.maximum(1 - acceleration * tails, 0.1))
    low, high = np.quantile(repeats, shares)
    return float(low), float(high)


def _acceleration(sums: Sums, total: FloatArray) -> float:
    """A sixth of the skewness of the figure's jackknife values: one unit left out at a time."""
    rows = max(1, _MOST_CELLS // sums.adds.shape[1])
    starts = range(0, len(sums.frequency), rows)
    parts = [sums.figure(total - sums.adds[at : at + rows].toarray()) for at in starts]
    left_out = np.concatenate(parts)
    known = ~np.isnan(left_out)
    weight, left_out = sums.frequency[known], left_out[known]
    if len(left_out) == 0:
        return 0.0
    apart = np.average(left_out, weights=weight) - left_out
    spread = float((weight * apart**2).sum())
    return float((weight * apart**3).sum()) / (6 * spread**1.5) if spread > 1e-24 else 0.0


def _bounds_without_spread(
    sums: Sums, total: FloatArray, value: float
) -> tuple[float | None, float | None]:
    if sums.best is None or sums.worst is None:
        return None, None
    more = _NORMAL**2
    low, high = sums.figure(np.stack([total + more * sums.worst, total + more * sums.best]))
    return float(np.fmin(low, value)), float(np.fmax(high, value))
