"""How many answers stand behind each label of each unit, and what the others say without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.ratings import Ratings
from policies.domain import BoolArray, FloatArray, IntArray

_NEAR = 1e-9  # sums of weights that differ by less are one: their order is no difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One entry for each label that a unit got, by unit and then by label.

    Entries grow with the ratings, never with units x labels: a label set may be huge.
    """

    units: IntArray
    values: IntArray
    entries: IntArray  # of each rating: the entry that it stands behind
    starts: IntArray  # the first entry of each unit that has one
    height: int  # how many units there are, those without a rating too


def tally_of(ratings: Ratings) -> Tally:
    """Group the ratings by unit and label."""
    width = max(1, len(ratings.categories))
    keys, entries = np.unique(ratings.units * width + ratings.values, return_inverse=True)
    units = keys // width
    return Tally(
        units=units,
        values=keys % width,
        entries=entries.astype(np.int64),
        starts=np.flatnonzero(np.diff(units, prepend=-1)),
        height=len(ratings.unit_names),
    )


def scored(tally: Tally, ratings: Ratings, weights: FloatArray) -> FloatArray:
    """The weight behind each entry; ``weights`` has one for each rater."""
    behind = np.bincount(tally.entries, weights[ratings.raters], minlength=len(tally.units))
    return behind.astype(np.float64, copy=False)


def by_unit(tally: Tally, figures: FloatArray) -> FloatArray:
    """The sum of the entries' figures in each unit."""
    sums = np.bincount(tally.units, figures, minlength=tally.height)
    return sums.astype(np.float64, copy=False)


def leading(tally: Tally, scores: FloatArray) -> BoolArray:
    """Which entries stand highest in their unit; several of one unit where they are tied."""
    if len(tally.units) == 0:
        return np.zeros(0, dtype=np.bool_)
    best = np.zeros(tally.height)
    best[tally.units[tally.starts]] = np.maximum.reduceat(scores, tally.starts)
    leads: BoolArray = scores >= best[tally.units] - _NEAR
    return leads


def label_of_the_others(
    tally: Tally, ratings: Ratings, scores: FloatArray, weights: FloatArray
) -> IntArray:
    """For each rating, the label that its unit would have without it, so nobody backs himself.

    -1 where the rating stands alone, and where the others are tied.
    """
    if len(ratings) == 0:
        return np.zeros(0, dtype=np.int64)
    first, second, third = _podium(tally, scores)
    mine = tally.entries
    heights = np.append(scores, -np.inf)  # entry -1 is none
    labels = np.append(tally.values, -1)
    i_lead = mine == first[ratings.units]
    rival = np.where(i_lead, second[ratings.units], first[ratings.units])
    on_podium = i_lead | (mine == second[ratings.units])
    next_rival = np.where(on_podium, third[ratings.units], second[ratings.units])
    alone = np.bincount(mine, minlength=len(tally.units))[mine] == 1
    without_me = np.where(alone, -np.inf, scores[mine] - weights[ratings.raters])
    against = heights[rival]
    label = np.where(without_me > against, ratings.values, labels[rival])
    higher = np.maximum(without_me, against)
    lower = np.maximum(np.minimum(without_me, against), heights[next_rival])
    decided = np.isfinite(higher) & (lower < higher - _NEAR)
    return np.where(decided, label, -1)


def _podium(tally: Tally, scores: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """The entries that stand first, second and third in each unit, -1 where there is none."""
    left = scores.copy()
    places = []
    for _ in range(3):
        best = np.full(tally.height, -np.inf)
        best[tally.units[tally.starts]] = np.maximum.reduceat(left, tally.starts)
        tops = np.flatnonzero((left == best[tally.units]) & np.isfinite(left))[::-1]
        place = np.full(tally.height, -1, dtype=np.int64)
        place[tally.units[tops]] = tops  # the last write wins: the first entry of equals
        left[place[place >= 0]] = -np.inf
        places.append(place)
    return places[0], places[1], places[2]
