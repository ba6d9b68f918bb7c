"""Krippendorff's alpha with any distance between labels, and raw agreement.

Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". Conventions: units with one rating
are left out; a unit with more ratings counts more, by its ratings in alpha and by its pairs of
ratings in raw agreement; undefined where nobody could have disagreed, because only one label was
ever given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from audit_jobs.measures.bootstrap import Sparse, Sums, estimated, mean_unit, ratio, value_of
from audit_jobs.measures.distances import Level, ratio_distance, require_few
from audit_jobs.measures.patterns import MOST_LABELS, Counts, Patterns
from audit_jobs.measures.ratings import numbers
from policies.domain import Estimate, FloatArray

MOST_RANKS = 200  # an ordinal distance changes with each resample: its pairs of labels are held
_MOST_CELLS = 8_000_000
_ROUNDING = 1e-12  # what a subtraction leaves of zero


def raw_agreement(patterns: Patterns, seed: int = 0) -> Estimate:
    """The share of pairs of ratings of the same unit that name the same label."""
    several = patterns.of_several()
    agreeing = several.squares() - several.sizes
    adds = columns(agreeing, several.sizes * (several.sizes - 1))
    mean = mean_unit(adds, several.frequency)
    sums = Sums(
        adds=adds,
        frequency=several.frequency,
        n=several.units,
        figure=lambda totals: ratio(totals[:, 0], totals[:, 1]),
        best=mean[[1, 1]],
        worst=mean * [0, 1],
    )
    return estimated(sums, seed)


def krippendorff_alpha(
    patterns: Patterns, distance: Level | FloatArray = Level.NOMINAL, seed: int = 0
) -> Estimate:
    """Krippendorff's alpha: 1 is perfect, 0 is what chance would give.

    ``distance`` is a level of measurement, or a symmetric table of distances over the categories
    (squared, where they are differences). All levels but the nominal one need labels that are
    numbers.

    Raises
        TooManyCategoriesError: more labels than the distance can deal with.
        ValueError: a label that is no number, or below 0 at the ratio level.
    """
    return estimated(_of(patterns, distance), seed)


def alpha_value(patterns: Patterns, distance: Level | FloatArray = Level.NOMINAL) -> float | None:
    """The same without its interval: to compare many ways of labelling the same units."""
    return value_of(_of(patterns, distance))


def columns(*parts: FloatArray | Sparse) -> Sparse:
    """Arrays of one value a row, and tables, side by side."""
    tables = [part[:, None] if isinstance(part, np.ndarray) else part for part in parts]
    return sparse.csr_array(sparse.hstack([sparse.csr_array(table) for table in tables]))


def apart(counts: Counts, distance: FloatArray) -> FloatArray:
    """The sum of distances over all ordered pairs of ratings of each row, equal ones included."""
    rows = max(1, _MOST_CELLS // max(counts.shape[1], 1))
    parts = [counts[at : at + rows] for at in range(0, counts.shape[0], rows)]
    found = [(np.asarray(part @ distance) * part.toarray()).sum(axis=1) for part in parts]
    return np.concatenate([np.empty(0), *found])


def _of(patterns: Patterns, distance: Level | FloatArray) -> Sums:
    several = patterns.of_several()
    if isinstance(distance, Level):
        return _OF_LEVEL[distance](several)
    return _by_table(several, distance)


def _nominal(several: Patterns) -> Sums:
    require_few(several.categories, MOST_LABELS, "the nominal level")
    unlike = (several.sizes**2 - several.squares()) / (several.sizes - 1)

    def figure(totals: FloatArray) -> FloatArray:
        given = totals[:, 1]
        by_chance = given**2 - (totals[:, 2:] ** 2).sum(axis=1)
        return _alpha(totals[:, 0], given, by_chance)

    return _sums(several, columns(unlike, several.sizes, several.counts), figure)


def _interval(several: Patterns) -> Sums:
    values = numbers(several.categories)
    # Differences of large squares lose digits: the values are taken from their middle.
    values -= values.mean() if len(values) else 0
    summed = np.asarray(several.counts @ values)
    squared = np.asarray(several.counts @ values**2)
    unlike = 2 * (several.sizes * squared - summed**2) / (several.sizes - 1)

    def figure(totals: FloatArray) -> FloatArray:
        _, given, summed, squared = totals.T
        by_chance = given * squared - summed**2
        known = np.where(by_chance > _ROUNDING * given * squared, by_chance, 0)
        return _alpha(totals[:, 0], given, 2 * known)

    adds = columns(unlike, several.sizes, summed, squared)
    return _sums(several, adds, figure, furthest=float(np.ptp(values)) ** 2 if len(values) else 0)


def _ordinal(several: Patterns) -> Sums:
    """The interval distance of ranks, each label's the middle of those that its ratings fill.

    That is Krippendorff's ordinal distance: the ratings between two labels, with half of each.
    The ranks are those of the resample, so that what is summed is who met whom.
    """
    require_few(several.categories, MOST_RANKS, "the ordinal level")
    numbers(several.categories)
    width = len(several.categories)
    one, other = np.triu_indices(width, 1)
    met = _meetings(several)

    def figure(totals: FloatArray) -> FloatArray:
        counts = totals[:, :width]
        ranks = np.cumsum(counts, axis=1) - counts / 2
        given = counts.sum(axis=1)
        ranks -= given[:, None] / 2
        met_apart = totals[:, width:] * (ranks[:, one] - ranks[:, other]) ** 2
        summed, squared = (counts * ranks).sum(axis=1), (counts * ranks**2).sum(axis=1)
        return _alpha(2 * met_apart.sum(axis=1), given, 2 * (given * squared - summed**2))

    adds = columns(several.counts, met)
    best = mean_unit(adds, several.frequency)
    best[width:] = 0
    worst = best.copy()
    if width > 1:
        worst[width + width - 2] = best.sum() / 2  # every lowest label meets a highest
    return Sums(
        adds=adds,
        frequency=several.frequency,
        n=several.units,
        figure=figure,
        best=best,
        worst=worst,
    )


def _ratio(several: Patterns) -> Sums:
    return _by_table(several, ratio_distance(several.categories))


def _by_table(several: Patterns, distance: FloatArray) -> Sums:
    width = len(several.categories)
    if distance.shape != (width, width):
        raise ValueError(f"{width} labels need a table of {width} x {width} distances")
    unlike = apart(several.counts, distance) / (several.sizes - 1)

    def figure(totals: FloatArray) -> FloatArray:
        counts = totals[:, 2:]
        by_chance = ((counts @ distance) * counts).sum(axis=1)
        return _alpha(totals[:, 0], totals[:, 1], by_chance)

    adds = columns(unlike, several.sizes, several.counts)
    return _sums(several, adds, figure, furthest=float(distance.max(initial=0)))


def _sums(
    several: Patterns,
    adds: Sparse,
    figure: Callable[[FloatArray], FloatArray],
    furthest: float = 1,
) -> Sums:
    """Totals whose first column is the disagreement seen, and whose second counts the ratings."""
    mean = mean_unit(adds, several.frequency)
    best, worst = mean.copy(), mean.copy()
    best[0], worst[0] = 0, furthest * mean[1]
    return Sums(
        adds=adds,
        frequency=several.frequency,
        n=several.units,
        figure=figure,
        best=best,
        worst=worst,
    )


def _alpha(seen: FloatArray, given: FloatArray, by_chance: FloatArray) -> FloatArray:
    """1 - observed / expected disagreement, of sums over pairs of ratings."""
    return np.subtract(1, ratio(seen * (given - 1), by_chance))


def _meetings(several: Patterns) -> Sparse:
    """For each pair of labels, the lower first, how often they meet in a unit, by its pairs."""
    counts, width = several.counts, len(several.categories)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    labels, times = counts.indices.astype(np.int64), counts.data
    found_rows, found_pairs, found = [], [], []
    for step in range(1, int(np.diff(counts.indptr).max(initial=0))):
        at = np.flatnonzero(rows[:-step] == rows[step:])
        one, other = labels[at], labels[at + step]
        found_rows.append(rows[at])
        found_pairs.append(one * width - one * (one + 1) // 2 + other - one - 1)
        found.append(times[at] * times[at + step] / (several.sizes[rows[at]] - 1))
    shape = (counts.shape[0], width * (width - 1) // 2)
    if not found:
        return sparse.csr_array(shape, dtype=np.float64)
    places = (np.concatenate(found_rows), np.concatenate(found_pairs))
    return sparse.coo_array((np.concatenate(found), places), shape=shape).tocsr()


_OF_LEVEL = {
    Level.NOMINAL: _nominal,
    Level.ORDINAL: _ordinal,
    Level.INTERVAL: _interval,
    Level.RATIO: _ratio,
}
