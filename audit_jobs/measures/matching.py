"""Which region of one annotation is which of another's: overlaps and best matchings.

Everything is in columns, so that a million overlaps are one call of numpy: a loop is left only for
pairs of annotations in which a region overlaps several others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from audit_jobs.measures.pairs import Answered, Pairs, spread
from policies.domain import BoolArray, FloatArray, IntArray

# The similarity of region left[k] with region right[k]: 1 identical, 0 apart, NaN not comparable.
Similarity = Callable[[IntArray, IntArray], FloatArray]

# Candidates compared in one call: a million of them keep every temporary under 100 MB.
_CANDIDATES_AT_A_TIME = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotations:
    """The regions of many annotations in columns.

    Annotation ``i`` is the answer ``i`` of ``answered`` and owns the regions
    ``starts[i]:starts[i + 1]``; ``labels`` has a code for each region.
    """

    answered: Answered
    starts: IntArray
    labels: IntArray

    @property
    def sizes(self) -> IntArray:
        """How many regions each annotation has."""
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlaps:
    """All pairs of regions that overlap, sorted by the pair of annotations they come from.

    ``comparable`` says of each pair of annotations whether all of its regions can be compared.
    """

    pair: IntArray
    left: IntArray
    right: IntArray
    similarity: FloatArray
    comparable: BoolArray


def overlaps(annotations: Annotations, pairs: Pairs, similarity: Similarity) -> Overlaps:
    """Every region of one side compared with every one of the other, pair by pair."""
    sizes = annotations.sizes
    candidates = sizes[pairs.left] * sizes[pairs.right]
    chunks = np.cumsum(candidates) // _CANDIDATES_AT_A_TIME
    bounds = np.flatnonzero(np.diff(chunks)) + 1
    parts = [
        _compared(annotations, pairs, part, similarity)
        for part in np.split(np.arange(len(pairs)), bounds)
    ]
    pair, left, right, found = (np.concatenate(column) for column in zip(*parts, strict=True))
    unknown = np.isnan(found)
    comparable = np.ones(len(pairs), dtype=np.bool_)
    comparable[pair[unknown]] = False
    kept = ~unknown
    return Overlaps(
        pair=pair[kept],
        left=left[kept],
        right=right[kept],
        similarity=found[kept],
        comparable=comparable,
    )


def _compared(
    annotations: Annotations, pairs: Pairs, part: IntArray, similarity: Similarity
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    starts, sizes = annotations.starts, annotations.sizes
    ours, theirs = pairs.left[part], pairs.right[part]
    row, place = spread(sizes[ours] * sizes[theirs])
    width = sizes[theirs][row]
    left = starts[ours][row] + place // np.maximum(width, 1)
    right = starts[theirs][row] + place % np.maximum(width, 1)
    found = similarity(left, right)
    kept = (found > 0) | np.isnan(found)
    return part[row[kept]], left[kept], right[kept], found[kept]


def best_matching(found: Overlaps, weights: FloatArray) -> BoolArray:
    """The one-to-one matching of the largest total weight, in every pair of annotations.

    Says of each overlap whether it is matched; an overlap of weight 0 never is.
    """
    chosen = weights > 0
    places = np.flatnonzero(chosen)
    pair, left, right = found.pair[places], found.left[places], found.right[places]
    contested = ~(_alone(pair, left) & _alone(pair, right))
    if not contested.any():
        return chosen
    places = places[contested]
    chosen[places] = False
    bounds = np.flatnonzero(np.diff(found.pair[places])) + 1
    for part in np.split(places, bounds):
        chosen[part[_assigned(found.left[part], found.right[part], weights[part])]] = True
    return chosen


def _alone(pair: IntArray, region: IntArray) -> BoolArray:
    """Whether each region has no other overlap in its pair of annotations."""
    keys = pair * (int(region.max(initial=0)) + 1) + region
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    single: BoolArray = counts[inverse] == 1
    return single


def _assigned(left: IntArray, right: IntArray, weights: FloatArray) -> IntArray:
    """The places of the matched overlaps of one pair of annotations."""
    rows, row = np.unique(left, return_inverse=True)
    columns, column = np.unique(right, return_inverse=True)
    table = np.zeros((len(rows), len(columns)))
    table[row, column] = weights
    place = np.full(table.shape, -1)
    place[row, column] = np.arange(len(weights))
    matched = place[linear_sum_assignment(table, maximize=True)]
    positive: IntArray = matched[matched >= 0]
    return positive
