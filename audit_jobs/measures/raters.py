"""Each rater against the others: how often somebody else gave the unit the same label."""

from __future__ import annotations

import math

import numpy as np

from audit_jobs.measures.bootstrap import ratio, sum_by
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, IntArray

_NORMAL = 1.959963984540054


def agreement_with_others(ratings: Ratings) -> list[Estimate]:
    """For each rater the share of agreeing pairs of a rating of theirs and another's of the unit.

    ``n`` counts the units that others rated too; undefined without one. The interval is Wilson's
    for as many units as would spread the share as much as it does from unit to unit.
    """
    raters = len(ratings.rater_names)
    sizes = np.bincount(ratings.units, minlength=len(ratings.unit_names))
    others = (sizes[ratings.units] - 1).astype(np.float64)
    agreeing = (_given_by(ratings) - 1).astype(np.float64)
    met = sum_by(ratings.raters, others, raters)
    share = ratio(sum_by(ratings.raters, agreeing, raters), met)
    units = np.bincount(ratings.raters[others > 0], minlength=raters)
    apart = (agreeing - share[ratings.raters] * others) ** 2
    spread = sum_by(ratings.raters, np.nan_to_num(apart), raters)
    several = units >= 2
    variance = ratio(spread * units, met**2 * np.where(several, units - 1, 0), undefined=0)
    return [
        _wilson(*each)
        for each in zip(share.tolist(), variance.tolist(), units.tolist(), strict=True)
    ]


def _given_by(ratings: Ratings) -> IntArray:
    """How many raters gave the unit the label that this rating gives it."""
    cells = ratings.units * max(len(ratings.categories), 1) + ratings.values
    _, cell, times = np.unique(cells, return_inverse=True, return_counts=True)
    found: IntArray = times[cell].astype(np.int64)
    return found


def _wilson(share: float, variance: float, units: int) -> Estimate:
    if units == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    inside = share * (1 - share)
    n = inside / variance if variance > 0 and inside > 0 else float(units)
    z2 = _NORMAL**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _NORMAL * math.sqrt(inside / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(value=share, low=min(low, share), high=max(high, share), n=units)
