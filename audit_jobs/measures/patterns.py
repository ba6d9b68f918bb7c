"""Units by what was said of them: units of equal labels are one pattern with a frequency.

A figure and its resamples cost as much as there are patterns: 100,000 units of five votes on five
labels are 126. Who said it no longer matters here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from audit_jobs.measures.ratings import Ratings
from policies.domain import FloatArray, IntArray

MOST_LABELS = 20_000  # for nominal figures: their shares are held for many resamples at a time
_LARGEST_CODE = 2**62
_MOST_CELLS = 16_000_000  # of a table of all units and labels: 128 MB

Counts = sparse.csr_array[np.float64, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """The different ways in which units were labelled, one row each, and how many units show it."""

    counts: Counts  # how often each label was given, patterns down, categories across
    sizes: FloatArray  # how many ratings such a unit has
    frequency: IntArray
    categories: tuple[str, ...]

    @property
    def units(self) -> int:
        """How many units there are."""
        return int(self.frequency.sum())

    def squares(self) -> FloatArray:
        """The sum of squared counts of each pattern."""
        return np.asarray(self.counts.power(2).sum(axis=1))

    def shares(self) -> Counts:
        """The counts as shares of the pattern's ratings."""
        rows = np.repeat(self.sizes, np.diff(self.counts.indptr))
        parts = (self.counts.data / rows, self.counts.indices, self.counts.indptr)
        return sparse.csr_array(parts, shape=self.counts.shape)

    def of_several(self) -> Patterns:
        """Those of two ratings or more: a unit with one says nothing of agreement."""
        several = np.flatnonzero(self.sizes >= 2)
        if len(several) == len(self.sizes):
            return self
        return Patterns(
            counts=self.counts[several],
            sizes=self.sizes[several],
            frequency=self.frequency[several],
            categories=self.categories,
        )


def patterns_of(ratings: Ratings) -> Patterns:
    """The patterns of all units that have a rating; exact, whatever the number of labels."""
    sizes = np.bincount(ratings.units, minlength=len(ratings.unit_names)).astype(np.int64)
    width = max(len(ratings.categories), 1)
    base = int(sizes.max(initial=0)) + 1
    if len(sizes) * width <= _MOST_CELLS and base**width < _LARGEST_CODE:
        counts, frequency = _counted(ratings, base)
    else:
        counts, frequency = _compared(ratings, sizes[sizes > 0])
    return Patterns(
        counts=counts,
        sizes=np.asarray(counts.sum(axis=1)),
        frequency=frequency.astype(np.int64),
        categories=ratings.categories,
    )


def _counted(ratings: Ratings, base: int) -> tuple[Counts, IntArray]:
    """Where labels are few: how often a unit got each are the digits of one number."""
    width = len(ratings.categories)
    cells = len(ratings.unit_names) * width
    table = np.bincount(ratings.units * width + ratings.values, minlength=cells)
    radix = base ** np.arange(width, dtype=np.int64)
    codes = table.reshape(len(ratings.unit_names), width) @ radix
    if base**width <= len(codes):  # counting is quicker than sorting
        times = np.bincount(codes)
        shown = np.flatnonzero(times)
        frequency = times[shown]
    else:
        shown, frequency = np.unique(codes, return_counts=True)
    some = shown > 0
    rows = shown[some, None] // radix % base
    return sparse.csr_array(rows.astype(np.float64)), frequency[some]


def _compared(ratings: Ratings, sizes: IntArray) -> tuple[Counts, IntArray]:
    """Where labels are many: the sorted labels of a unit are the digits, a few at a time."""
    width = len(ratings.categories)
    values = np.sort(ratings.units * width + ratings.values) % width
    starts = np.cumsum(sizes) - sizes
    groups = _groups(values, starts, sizes, width)
    _, shown_by, frequency = np.unique(groups, return_index=True, return_counts=True)
    return _rows(values, starts[shown_by], sizes[shown_by], width), frequency


def _groups(values: IntArray, starts: IntArray, sizes: IntArray, width: int) -> IntArray:
    """A number for each unit, equal for units of equal values; a unit's values stand sorted.

    Where the values are too many for one number, the numbers so far are made small again before
    the next digits go in.
    """
    groups = sizes.copy()
    longest = int(sizes.max(initial=0))
    done = 0
    while done < longest:
        open_units = np.flatnonzero(sizes > done)
        code, room = _small(groups[open_units])
        first = done
        while done < longest and (done == first or room * (width + 1) < _LARGEST_CODE):
            there = sizes[open_units] > done
            digits = np.zeros(len(open_units), dtype=np.int64)
            digits[there] = 1 + values[starts[open_units[there]] + done]
            code = code * (width + 1) + digits
            room *= width + 1
            done += 1
        # Numbers of units that are done are smaller, and stay theirs.
        groups[open_units] = groups.max() + 1 + _small(code)[0]
    return groups


def _small(codes: IntArray) -> tuple[IntArray, int]:
    different, small = np.unique(codes, return_inverse=True)
    return small.astype(np.int64), len(different)


def _rows(values: IntArray, starts: IntArray, sizes: IntArray, width: int) -> Counts:
    rows = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    columns = values[starts[rows] + within]
    counted = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(sizes), width))
    return counted.tocsr()
