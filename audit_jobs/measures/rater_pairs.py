"""Raters two by two: what each pair said of the units that both rated, and Cohen's kappa."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.distances import TooManyCategoriesError
from audit_jobs.measures.ratings import Ratings
from policies.domain import IntArray

_KEYS_AT_A_TIME = 8_000_000  # 64 MB
_LARGEST_KEY = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterPairs:
    """Who rated units together, and how often the one said this where the other said that.

    Pair ``i`` are the raters ``left[i] < right[i]``, who share ``shared[i]`` units. Cell ``j`` of
    all their tables says that pair ``pair[j]`` gave the labels ``said_left[j]`` and
    ``said_right[j]`` to ``times[j]`` units.
    """

    left: IntArray
    right: IntArray
    shared: IntArray
    pair: IntArray
    said_left: IntArray
    said_right: IntArray
    times: IntArray

    def __len__(self) -> int:
        return len(self.left)

    @property
    def agreed(self) -> IntArray:
        """On how many units each pair gave the same label."""
        same = self.said_left == self.said_right
        found = np.bincount(self.pair[same], weights=self.times[same], minlength=len(self))
        return found.astype(np.int64)


def rater_pairs(ratings: Ratings) -> RaterPairs:
    """All pairs of raters who share a unit.

    Raises
        TooManyCategoriesError: so many raters and labels that their tables have no numbers.
    """
    raters, labels = len(ratings.rater_names), max(len(ratings.categories), 1)
    if raters**2 * labels**2 >= _LARGEST_KEY:
        raise TooManyCategoriesError(
            f"{labels:,} different labels by {raters:,} raters are too many to compare raters two "
            "by two: put like labels together"
        )
    keys, times = _counted(_keys(ratings, raters, labels))
    both, said = np.divmod(keys, labels**2)
    pairs, pair = np.unique(both, return_inverse=True)
    left, right = np.divmod(pairs, raters)
    said_left, said_right = np.divmod(said, labels)
    shared = np.bincount(pair, weights=times, minlength=len(pairs))
    return RaterPairs(
        left=left,
        right=right,
        shared=shared.astype(np.int64),
        pair=pair.astype(np.int64),
        said_left=said_left,
        said_right=said_right,
        times=times,
    )


def confusion(pairs: RaterPairs, labels: int) -> IntArray:
    """How often one rater said this where another said that; each pair of ratings counts twice."""
    cells = np.bincount(
        pairs.said_left * labels + pairs.said_right, weights=pairs.times, minlength=labels**2
    )
    table: IntArray = cells.reshape(labels, labels).astype(np.int64)
    return table + table.T


def _keys(ratings: Ratings, raters: int, labels: int) -> Iterator[IntArray]:
    """One number for each pair of ratings of a unit: both raters, then both labels."""
    in_order = np.lexsort((ratings.raters, ratings.units))
    rater, said = ratings.raters[in_order], ratings.values[in_order]
    unit = ratings.units[in_order]
    open_ratings: IntArray = np.arange(len(unit))
    for step in range(1, len(unit)):
        # Those whose unit has a rating this much further on; each step leaves fewer.
        open_ratings = open_ratings[open_ratings + step < len(unit)]
        open_ratings = open_ratings[unit[open_ratings] == unit[open_ratings + step]]
        if len(open_ratings) == 0:
            return
        other = open_ratings + step
        both = rater[open_ratings] * raters + rater[other]
        yield (both * labels + said[open_ratings]) * labels + said[other]


def _counted(parts: Iterator[IntArray]) -> tuple[IntArray, IntArray]:
    """Each key once and how often it comes, without holding all at a time."""
    keys: IntArray = np.empty(0, dtype=np.int64)
    times = keys
    held: list[IntArray] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _KEYS_AT_A_TIME:
            keys, times = _merged(keys, times, np.concatenate(held))
            held = []
    return _merged(keys, times, np.concatenate([np.empty(0, dtype=np.int64), *held]))


def _merged(keys: IntArray, times: IntArray, more: IntArray) -> tuple[IntArray, IntArray]:
    new, counted = np.unique(more, return_counts=True)
    every, place = np.unique(np.concatenate([keys, new]), return_inverse=True)
    weights = np.concatenate([times, counted])
    return every, np.bincount(place, weights=weights, minlength=len(every)).astype(np.int64)
