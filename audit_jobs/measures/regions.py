"""Agreement on regions: how well annotations match, with the labels and without them.

A figure whose name ends in ``any_label`` matches regions whatever they were called; the same figure
without the ending matches regions of the same label only. The first is about where, the difference
between the two about what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.matching import (
    Annotations,
    Overlaps,
    Similarity,
    best_matching,
    overlaps,
)
from audit_jobs.measures.pairs import (
    CHANCE_PAIRS,
    Pairs,
    Scores,
    alpha,
    pairs_between,
    pairs_within,
)
from audit_jobs.measures.resampling import Figures
from policies.domain import BoolArray, FloatArray, IntArray

ANY_LABEL = "_any_label"
# Regions this similar are taken for the same one where labels and attributes are compared.
SAME_REGION = 0.5
LABEL_AGREEMENT = "label_agreement"
# Of matchings with the same total that with more regions is taken, then that with more alike
# in label or attribute: so the figures do not depend on the order in which regions were drawn.
_ONE_MORE = 1e-6
_MORE_ALIKE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """All pairs of annotations of the same task, compared region by region."""

    annotations: Annotations
    pairs: Pairs
    found: Overlaps

    @property
    def same_label(self) -> BoolArray:
        """Of each overlap, whether both regions were called the same."""
        labels = self.annotations.labels
        same: BoolArray = labels[self.found.left] == labels[self.found.right]
        return same

    @property
    def sizes(self) -> tuple[IntArray, IntArray]:
        """How many regions both sides of each pair have."""
        sizes = self.annotations.sizes
        return sizes[self.pairs.left], sizes[self.pairs.right]


def compared(annotations: Annotations, pairs: Pairs, similarity: Similarity) -> Compared:
    """The pairs with all overlaps of their regions."""
    found = overlaps(annotations, pairs, similarity)
    return Compared(annotations=annotations, pairs=pairs, found=found)


def compared_within(annotations: Annotations, similarity: Similarity) -> Compared:
    """All pairs of annotations of one task."""
    return compared(annotations, pairs_within(annotations.answered.tasks), similarity)


def mean_similarity(every: Compared, allowed: BoolArray) -> Scores:
    """The mean similarity of matched regions, every unmatched one of either side a 0.

    The matching is the one with the largest total among the ``allowed`` overlaps. Two empty
    annotations agree: 1.
    """
    similarity = every.found.similarity
    chosen = best_matching(every.found, np.where(allowed, similarity + _ONE_MORE, 0.0))
    n = len(every.pairs)
    total = np.bincount(every.found.pair[chosen], weights=similarity[chosen], minlength=n)
    matched = np.bincount(every.found.pair[chosen], minlength=n)
    left, right = every.sizes
    regions = left + right - matched
    return _defined(every, np.where(regions == 0, 1.0, total / np.maximum(regions, 1)))


def matched_counts(every: Compared, allowed: BoolArray) -> IntArray:
    """How many regions can be matched one to one among the ``allowed`` overlaps."""
    chosen = best_matching(every.found, allowed.astype(np.float64))
    return np.bincount(every.found.pair[chosen], minlength=len(every.pairs))


def f1(every: Compared, allowed: BoolArray) -> Scores:
    """Twice the matched regions by all regions of both sides; two empty annotations agree: 1."""
    left, right = every.sizes
    regions = left + right
    matched = matched_counts(every, allowed)
    return _defined(every, np.where(regions == 0, 1.0, 2 * matched / np.maximum(regions, 1)))


def same_regions(every: Compared, alike: FloatArray) -> BoolArray:
    """The overlaps of regions taken for the same one, by place alone; ``alike`` breaks ties."""
    near = every.found.similarity >= SAME_REGION
    weights = every.found.similarity + _ONE_MORE + _MORE_ALIKE * alike
    return best_matching(every.found, np.where(near, weights, 0.0))


def label_agreement(every: Compared) -> Scores:
    """Among regions matched whatever their label, the share that both called the same."""
    chosen = same_regions(every, every.same_label.astype(np.float64))
    pair = every.found.pair
    n = len(every.pairs)
    same = np.bincount(pair[chosen & every.same_label], minlength=n)
    return Scores(
        above=same.astype(np.float64),
        below=np.bincount(pair[chosen], minlength=n).astype(np.float64),
    )


def _defined(every: Compared, values: FloatArray) -> Scores:
    known = every.found.comparable.astype(np.float64)
    return Scores(above=values * known, below=known)


def region_scores(every: Compared, mean: str, thresholds: Mapping[str, float]) -> dict[str, Scores]:
    """The figures that regions of every shape have: ``mean``, an F1 for each threshold, labels.

    A threshold is the least similarity at which two regions count as the same.
    """
    similarity, same = every.found.similarity, every.same_label
    anything = np.ones(len(similarity), dtype=np.bool_)
    scores = {
        mean: mean_similarity(every, same),
        mean + ANY_LABEL: mean_similarity(every, anything),
    }
    for name, least in thresholds.items():
        scores[name] = f1(every, same & (similarity >= least))
        scores[name + ANY_LABEL] = f1(every, similarity >= least)
    return scores | {LABEL_AGREEMENT: label_agreement(every)}


def region_alpha(every: Compared, similarity: Similarity, tasks: int, seed: int = 0) -> Figures:
    """Alpha of regions: the similarity of two annotations is their mean one, labels counted."""
    answered = every.annotations.answered
    pairs = pairs_between(answered, CHANCE_PAIRS, seed)
    chance = compared(every.annotations, pairs, similarity)
    return alpha(
        answered,
        (every.pairs, mean_similarity(every, every.same_label)),
        (pairs, mean_similarity(chance, chance.same_label)),
        tasks,
    )
