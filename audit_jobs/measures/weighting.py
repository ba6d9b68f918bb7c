"""Estimating the whole from samples of its parts: weights by inverse probability of being drawn.

Horvitz and Thompson 1952, "A Generalization of Sampling Without Replacement From a Finite
Universe", with the parts' known sizes (Hájek's ratio, post-stratified). Only what was drawn at
random says something about the rest; what a rule picked speaks for itself alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy import sparse

from audit_jobs.measures.alpha import columns
from audit_jobs.measures.bootstrap import ratio
from audit_jobs.measures.distances import require_few
from audit_jobs.measures.patterns import MOST_LABELS
from audit_jobs.measures.ratings import Ratings
from audit_jobs.measures.resampling import Figures
from policies.domain import FloatArray

_ROUNDING = 1e-9  # what a subtraction of squares leaves of zero


class Part(StrEnum):
    """What a project's tasks fall into; the last two have a random sample each."""

    SLICES = "slices"  # a random sample of all tasks themselves
    REVIEWED = "reviewed"  # the others that go to people
    ACCEPTED = "accepted"  # the others that were accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A unit that was drawn at random out of its part, and the chance it had."""

    part: Part
    probability: float


def whole_weights(drawn: Sequence[Drawn], sizes: Mapping[Part, int]) -> FloatArray | None:
    """What each unit stands for, so that together they estimate all tasks; their mean is 1.

    The slices are a random sample of everything, and so are all the others together: each of the
    two stands for its own number of tasks where both are known, for all of them where it is the
    only one. The others are known where each part of them that holds tasks has a sample. None
    where neither is known: tasks that nobody could have been asked about cannot be estimated.

    >>> halves = [Drawn(part=Part.REVIEWED, probability=0.1)] * 3
    >>> halves.append(Drawn(part=Part.ACCEPTED, probability=0.05))
    >>> whole_weights(halves, {Part.REVIEWED: 25, Part.ACCEPTED: 75}).tolist()
    [0.3333333333333333, 0.3333333333333333, 0.3333333333333333, 3.0]
    """
    inverse = np.array([1 / each.probability for each in drawn], dtype=np.float64)
    parts = np.array([each.part for each in drawn], dtype=object)
    known = {part: parts == part for part in Part if bool((parts == part).any())}
    others = [part for part in (Part.REVIEWED, Part.ACCEPTED) if sizes.get(part, 0) > 0]
    stands_for: dict[Part, float] = {}
    if others and all(part in known for part in others):
        stands_for = {part: float(sizes[part]) for part in others}
    if Part.SLICES in known:
        everything = float(sum(sizes.values()))
        stands_for[Part.SLICES] = float(sizes[Part.SLICES]) if stands_for else everything
    if not stands_for:
        return None
    weights = np.zeros(len(drawn))
    for part, tasks in stands_for.items():
        mask = known[part]
        weights[mask] = inverse[mask] / inverse[mask].sum() * tasks
    mean_one: FloatArray = weights * len(drawn) / weights.sum()
    return mean_one


def weighted(figures: Figures, weights: FloatArray) -> Figures:
    """The figures with each unit counting as much as its weight; resamples draw units as ever."""

    def of(drawn: FloatArray) -> FloatArray:
        return figures.of(drawn * weights)

    return replace(figures, of=of)


def nominal_figures(ratings: Ratings) -> Figures:
    """Raw agreement and nominal alpha of units that can be weighted, every one read twice or more.

    A unit counts once for raw agreement and by its ratings in alpha, as in ``measures.alpha``.

    Raises
        TooManyCategoriesError: more labels than alpha can deal with.
    """
    require_few(ratings.categories, MOST_LABELS, "the nominal level")
    units = len(ratings.unit_names)
    cells = (np.ones(len(ratings)), (ratings.units, ratings.values))
    counts = sparse.coo_array(cells, shape=(units, len(ratings.categories))).tocsr()
    sizes: FloatArray = np.asarray(counts.sum(axis=1))
    squares: FloatArray = np.asarray(counts.power(2).sum(axis=1))
    agreeing = (squares - sizes) / (sizes * (sizes - 1))
    unlike = (sizes**2 - squares) / (sizes - 1)
    adds = columns(np.ones(units), agreeing, unlike, sizes, counts)

    def of(drawn: FloatArray) -> FloatArray:
        totals = np.asarray(drawn @ adds)
        by_chance = totals[:, 3] ** 2 - (totals[:, 4:] ** 2).sum(axis=1)
        defined = np.where(by_chance > _ROUNDING * totals[:, 3] ** 2, by_chance, 0)
        alpha = np.subtract(1, ratio(totals[:, 2] * (totals[:, 3] - 1), defined))
        return np.column_stack([ratio(totals[:, 1], totals[:, 0]), alpha])

    return Figures(
        names=("raw_agreement", "krippendorff_alpha"),
        of=of,
        n=(units, units),
        limits=((0.0, 1.0), (None, 1.0)),
    )
