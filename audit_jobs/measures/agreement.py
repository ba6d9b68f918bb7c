"""Agreement on nominal labels: raw and chance-corrected, with bootstrap intervals over units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from policies.domain import Estimate, FloatArray, IntArray

BOOTSTRAP_REPEATS = 1_000


def label_counts(units: Sequence[int], labels: Sequence[str]) -> IntArray:
    """How often each unit got each label: (units with two labels or more, distinct labels).

    ``units`` and ``labels`` have one entry a vote. A unit with one vote says nothing about
    agreement and is left out (Krippendorff 2011, "Computing Krippendorff's alpha").
    """
    if not units:
        return np.zeros((0, 0), dtype=np.int64)
    names, columns = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    ids, rows = np.unique(np.asarray(units, dtype=np.int64), return_inverse=True)
    flat = np.bincount(rows * len(names) + columns, minlength=len(ids) * len(names))
    counts: IntArray = flat.reshape(len(ids), len(names)).astype(np.int64)
    several: IntArray = counts[counts.sum(axis=1) >= 2]
    return several


def raw_agreement(counts: IntArray, seed: int = 0) -> Estimate:
    """The share of pairs of votes on the same unit that name the same label."""
    return _bootstrapped(counts, _raw, seed)


def krippendorff_alpha(counts: IntArray, seed: int = 0) -> Estimate:
    """Krippendorff's alpha for nominal labels: 1 is perfect, 0 is what chance would give.

    Undefined (None) without a unit of two votes, and where only one label was ever given: then
    nobody could have disagreed.
    """
    return _bootstrapped(counts, _alpha, seed)


def _raw(counts: FloatArray, weights: FloatArray) -> FloatArray:
    votes = counts.sum(axis=1)
    agreeing = weights @ (counts * (counts - 1)).sum(axis=1)
    return _ratio(agreeing, weights @ (votes * (votes - 1)))


def _alpha(counts: FloatArray, weights: FloatArray) -> FloatArray:
    votes = counts.sum(axis=1)
    total = weights @ votes
    per_label = weights @ counts
    disagreeing = votes**2 - (counts**2).sum(axis=1)
    observed = _ratio(weights @ (disagreeing / (votes - 1)), total)
    expected = _ratio(total**2 - (per_label**2).sum(axis=1), total * (total - 1))
    return 1 - _ratio(observed, expected)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    undefined = np.full_like(np.asarray(above, dtype=np.float64), np.nan)
    return np.divide(above, below, out=undefined, where=below > 0)


def _bootstrapped(
    counts: IntArray, figure: Callable[[FloatArray, FloatArray], FloatArray], seed: int
) -> Estimate:
    """The figure with a 95 % percentile interval over resampled units.

    Units with equal counts are one pattern with a weight, so that a resample is one multinomial
    draw however many units there are. Resamples in which the figure is undefined are left out.
    """
    n = len(counts)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    rows, frequency = np.unique(counts, axis=0, return_counts=True)
    patterns: FloatArray = rows.astype(np.float64)
    value = float(figure(patterns, frequency[None, :].astype(np.float64))[0])
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None, n=n)
    draws = np.random.default_rng(seed).multinomial(n, frequency / n, size=BOOTSTRAP_REPEATS)
    repeats = figure(patterns, draws.astype(np.float64))
    low, high = np.nanpercentile(repeats, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high), n=n)
