"""How far apart two labels are: what a disagreement weighs.

A distance is a square table over the categories, 0 on its diagonal. Nominal, ordinal and interval
distances need no table, and so no limit on the number of labels: they are named by their level.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from audit_jobs.measures.ratings import numbers
from policies.domain import FloatArray

MOST_CATEGORIES = 2_000  # of a table: 32 MB


class Level(StrEnum):
    """Stevens's levels of measurement: what of two labels can be compared."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


class TooManyCategoriesError(ValueError):
    """More different labels than a table of distances can have."""


def require_few(categories: Sequence[str], most: int, purpose: str) -> None:
    """Raise TooManyCategoriesError where there are more categories than ``most``."""
    if len(categories) > most:
        raise TooManyCategoriesError(
            f"{len(categories):,} different labels are too many for {purpose}, which takes "
            f"{most:,}: put like ones together, round numbers, or take another level"
        )


def ratio_distance(categories: Sequence[str]) -> FloatArray:
    """Krippendorff's ratio distance, ((a - b) / (a + b))², of numbers from 0 up.

    >>> ratio_distance(["0", "1", "3"]).tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.25], [1.0, 0.25, 0.0]]
    """
    require_few(categories, MOST_CATEGORIES, "the ratio level")
    values = numbers(categories)
    if (values < 0).any():
        raise ValueError(f"the ratio level needs numbers from 0 up, not {values.min():g}")
    together = values[:, None] + values
    apart = np.abs(values[:, None] - values)
    share = np.divide(apart, together, out=np.zeros_like(apart), where=together > 0)
    squared: FloatArray = share**2
    return squared


def jaccard_distance(sets: Sequence[frozenset[str]]) -> FloatArray:
    """1 - |both| / |either|; two empty sets are equal.

    >>> jaccard_distance([frozenset("ab"), frozenset("bc"), frozenset()]).round(3).tolist()
    [[0.0, 0.667, 1.0], [0.667, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    both, sizes = _overlaps(sets)
    either = sizes[:, None] + sizes - both
    return 1 - np.divide(both, either, out=np.ones_like(both), where=either > 0)


def masi_distance(sets: Sequence[frozenset[str]]) -> FloatArray:
    """Passonneau's distance of set-valued labels: Jaccard's likeness by how the sets lie.

    Times 1 where they are equal, 2/3 where one holds the other, 1/3 where they overlap, 0 else
    (Passonneau 2006, "Measuring Agreement on Set-valued Items").
    """
    both, sizes = _overlaps(sets)
    smaller = np.minimum(sizes[:, None], sizes)
    larger = np.maximum(sizes[:, None], sizes)
    nested, equal = both == smaller, (both == smaller) & (both == larger)
    kind = np.where(equal, 1, np.where(nested, 2 / 3, np.where(both > 0, 1 / 3, 0)))
    alike: FloatArray = (1 - jaccard_distance(sets)) * kind
    return 1 - alike


def _overlaps(sets: Sequence[frozenset[str]]) -> tuple[FloatArray, FloatArray]:
    require_few(["|".join(each) for each in sets], MOST_CATEGORIES, "distances between sets")
    members = {name: place for place, name in enumerate(sorted(frozenset().union(*sets)))}
    holds = np.zeros((len(sets), len(members)))
    for row, each in enumerate(sets):
        holds[row, [members[name] for name in each]] = 1
    return holds @ holds.T, holds.sum(axis=1)


def linear_weights(categories: Sequence[str]) -> FloatArray:
    """Agreement weights that fall evenly from 1 to 0 with the distance of numbers."""
    return 1 - _share_of_range(categories)


def quadratic_weights(categories: Sequence[str]) -> FloatArray:
    """Agreement weights that fall with the squared distance of numbers."""
    return 1 - _share_of_range(categories) ** 2


def _share_of_range(categories: Sequence[str]) -> FloatArray:
    require_few(categories, MOST_CATEGORIES, "weights")
    values = numbers(categories)
    apart = np.abs(values[:, None] - values)
    widest = max(float(apart.max(initial=0)), np.finfo(np.float64).tiny)
    share: FloatArray = apart / widest
    return share
