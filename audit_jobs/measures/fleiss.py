"""Fleiss' kappa, and agreement label by label.

Fleiss 1971, "Measuring nominal scale agreement among many raters", stretched to unequal numbers of
raters: units with one rating are left out, of the label shares too, and every other unit counts the
same. (Of equal raters that is Fleiss' own figure. irrCAC keeps units of one rating in the shares.)
"""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.alpha import columns
from audit_jobs.measures.bootstrap import Sums, estimated, mean_unit, ratio
from audit_jobs.measures.distances import require_few
from audit_jobs.measures.patterns import MOST_LABELS, Patterns
from policies.domain import Estimate, FloatArray


def fleiss_kappa(patterns: Patterns, seed: int = 0) -> Estimate:
    """Agreement beyond the chance that the shares of the labels give; undefined for one label."""
    require_few(patterns.categories, MOST_LABELS, "Fleiss' kappa")
    several = patterns.of_several()
    sizes = several.sizes
    agreeing = several.squares() - sizes
    adds = columns(agreeing / (sizes * (sizes - 1)), np.ones_like(sizes), several.shares())

    def figure(totals: FloatArray) -> FloatArray:
        units = totals[:, 1]
        seen = ratio(totals[:, 0], units)
        by_chance = (ratio(totals[:, 2:], units[:, None]) ** 2).sum(axis=1)
        return beyond_chance(seen, by_chance)

    mean = mean_unit(adds, several.frequency)
    best, worst = mean.copy(), mean.copy()
    best[0], worst[0] = 1, 0
    sums = Sums(
        adds=adds,
        frequency=several.frequency,
        n=several.units,
        figure=figure,
        best=best,
        worst=worst,
    )
    return estimated(sums, seed)


def agreement_by_label(patterns: Patterns, seed: int = 0) -> dict[str, Estimate]:
    """For each label: where one rater gave it, how likely another one gives it too.

    The specific agreement of Spitzer and Fleiss 1974 for any number of raters: of all ordered
    pairs of ratings whose first names the label, the share whose second does. ``n`` counts the
    units of two ratings or more where somebody gave the label.
    """
    several = patterns.of_several()
    by_label = several.counts.tocsc()
    found = {}
    for place, label in enumerate(several.categories):
        part = slice(by_label.indptr[place], by_label.indptr[place + 1])
        rows, times = by_label.indices[part], by_label.data[part]
        adds = columns(times * (times - 1), times * (several.sizes[rows] - 1))
        frequency = several.frequency[rows]
        mean = mean_unit(adds, frequency)
        sums = Sums(
            adds=adds,
            frequency=frequency,
            n=int(frequency.sum()),
            figure=lambda totals: ratio(totals[:, 0], totals[:, 1]),
            best=mean[[1, 1]],
            worst=mean * [0, 1],
        )
        found[label] = estimated(sums, seed)
    return found


def beyond_chance(seen: FloatArray, by_chance: FloatArray) -> FloatArray:
    """The kappa of a share of agreement and the share that chance gives; NaN if that is all."""
    room = 1 - by_chance
    return ratio(seen - by_chance, np.where(room > 1e-12, room, 0))
