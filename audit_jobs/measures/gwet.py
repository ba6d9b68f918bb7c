"""Gwet's AC1 and AC2: agreement beyond chance that does not break down on skewed labels.

Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high agreement";
2014, "Handbook of Inter-Rater Reliability", chapter 5, for weights and missing ratings: agreement
is seen in units with two ratings or more, the shares of the labels are the means over all units,
those with one rating too. Only labels that somebody gave count as labels.
"""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.alpha import apart, columns
from audit_jobs.measures.bootstrap import Sums, estimated, mean_unit, ratio
from audit_jobs.measures.distances import require_few
from audit_jobs.measures.fleiss import beyond_chance
from audit_jobs.measures.patterns import MOST_LABELS, Patterns
from policies.domain import Estimate, FloatArray


def gwet_ac1(patterns: Patterns, seed: int = 0) -> Estimate:
    """Gwet's AC1 of nominal labels; undefined where one label was given only."""
    require_few(patterns.categories, MOST_LABELS, "Gwet's AC1")
    agreeing = patterns.squares() - patterns.sizes
    labels = len(patterns.categories)
    return _estimated(patterns, agreeing, 1 / max(labels - 1, 1), seed)


def gwet_ac2(patterns: Patterns, weights: FloatArray, seed: int = 0) -> Estimate:
    """Gwet's AC2 with agreement weights over the categories: 1 for equal ones, 0 for the furthest.

    See ``linear_weights`` and ``quadratic_weights``.
    """
    labels = len(patterns.categories)
    if weights.shape != (labels, labels):
        raise ValueError(f"{labels} labels need a table of {labels} x {labels} weights")
    agreeing = apart(patterns.counts, weights) - patterns.sizes
    chance = float(weights.sum()) / max(labels * (labels - 1), 1)
    return _estimated(patterns, agreeing, chance, seed)


def _estimated(patterns: Patterns, agreeing: FloatArray, chance: float, seed: int) -> Estimate:
    sizes, several = patterns.sizes, (patterns.sizes >= 2).astype(np.float64)
    adds = columns(
        several * ratio(agreeing, sizes * (sizes - 1), undefined=0),
        several,
        np.ones_like(sizes),
        patterns.shares(),
    )

    def figure(totals: FloatArray) -> FloatArray:
        seen = ratio(totals[:, 0], totals[:, 1])
        shares = totals[:, 3:] / totals[:, 2, None]
        spread = (shares * (1 - shares)).sum(axis=1)
        defined = np.where(spread > 1e-12, seen, np.nan)
        return beyond_chance(defined, chance * spread)

    mean = mean_unit(adds, patterns.frequency)
    best, worst = mean.copy(), mean.copy()
    best[0], worst[0] = mean[1], 0
    sums = Sums(
        adds=adds,
        frequency=patterns.frequency,
        n=patterns.of_several().units,
        figure=figure,
        best=best,
        worst=worst,
    )
    return estimated(sums, seed)
