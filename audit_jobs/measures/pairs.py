"""Pairs of answers to the same task: figures of all of them, by annotator, and beyond chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from audit_jobs.measures.resampling import (
    SHARE,
    Figures,
    Limits,
    divided,
    ratios,
    ratios_of_sums,
)
from policies.domain import FloatArray, IntArray

# Pairs of answers to different tasks that show how similar answers are by chance.
CHANCE_PAIRS = 5_000
ALPHA = "krippendorff_alpha"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """Who answered which task, an entry for each answer; sorted by task."""

    tasks: IntArray
    raters: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of annotations, by their places."""

    left: IntArray
    right: IntArray

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """One figure of every pair of answers: ``above`` by ``below``; undefined where that is 0."""

    above: FloatArray
    below: FloatArray
    limits: Limits = SHARE


def pairs_within(tasks: IntArray) -> Pairs:
    """All pairs of annotations of the same task; ``tasks`` is sorted."""
    ends = np.searchsorted(tasks, tasks, side="right")
    after = ends - np.arange(len(tasks)) - 1
    left, place = spread(after)
    return Pairs(left=left, right=left + 1 + place)


def pairs_between(answered: Answered, count: int, seed: int = 0) -> Pairs:
    """Random pairs of answers to different tasks, ``count`` of them or all if there are fewer.

    They show how similar answers are by chance alone. The draw is that of ``seed``.
    """
    tasks = answered.tasks
    n = len(tasks)
    if n * (n - 1) // 2 <= 4 * count:
        left, right = np.triu_indices(n, k=1)
    else:
        drawn = np.random.default_rng(seed).integers(0, n, size=(4 * count, 2))
        left, right = drawn[:, 0], drawn[:, 1]
    different = np.flatnonzero(tasks[left] != tasks[right])
    if len(different) > count:
        different = np.sort(np.random.default_rng(seed).permutation(different)[:count])
    return Pairs(left=left[different].astype(np.int64), right=right[different].astype(np.int64))


def spread(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Each index as often as ``counts`` says, and the place of each among its equals."""
    index = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return index, np.arange(len(index)) - first[index]


def means(scores: Mapping[str, Scores], tasks: IntArray, size: int) -> Figures:
    """The scores as means over all pairs; ``tasks`` says whose each pair is, of ``size`` tasks."""
    above, below = (
        np.column_stack(columns)
        for columns in zip(*((each.above, each.below) for each in scores.values()), strict=True)
    )
    found = ratios(list(scores), tasks, above, below, size=size)
    return replace(found, limits=tuple(each.limits for each in scores.values()))


def rater_pairs(answered: Answered, pairs: Pairs) -> tuple[IntArray, list[tuple[int, int]]]:
    """Which pair of annotators each pair of answers is of, and who they are."""
    both = np.column_stack([answered.raters[pairs.left], answered.raters[pairs.right]])
    who, place = np.unique(np.sort(both, axis=1), axis=0, return_inverse=True)
    return place.ravel(), [(int(one), int(other)) for one, other in who]


def by_annotators(answered: Answered, pairs: Pairs, scores: Scores, size: int) -> Figures:
    """One score as a mean for each pair of annotators; a name is their two places: ``0 1``."""
    place, who = rater_pairs(answered, pairs)
    cells = (answered.tasks[pairs.left], place)
    shape = (size, len(who))
    above, below = (csr_array((each, cells), shape=shape) for each in (scores.above, scores.below))
    found = ratios_of_sums([f"{one} {other}" for one, other in who], above, below)
    return replace(found, limits=(scores.limits,) * len(who))


def pooled_f1(
    answered: Answered, pairs: Pairs, counts: tuple[IntArray, IntArray], name: str, size: int
) -> Figures:
    """F1 of each pair of annotators over all that they marked on all tasks, then their mean.

    ``counts`` are, for each pair of answers, the matches and what both sides marked in all. A pair
    of annotators weighs as much as they share tasks; where all read all tasks that is the plain
    mean, as bratiaa has its instance and token F1.
    """
    matched, marked = counts
    place, who = rater_pairs(answered, pairs)
    task = answered.tasks[pairs.left]

    def by_task(values: IntArray) -> csr_array:
        cells = (values.astype(np.float64), (task, place))
        return csr_array(cells, shape=(size, len(who)))

    twice, total, shared = by_task(2 * matched), by_task(marked), by_task(np.ones_like(task))

    def of(weights: FloatArray) -> FloatArray:
        each = divided(weights @ twice, weights @ total)
        weight = np.where(np.isnan(each), 0.0, weights @ shared)
        found = (np.nan_to_num(each) * weight).sum(axis=1, keepdims=True)
        return divided(found, weight.sum(axis=1, keepdims=True))

    return Figures(names=(name,), of=of, n=(len(np.unique(task[marked > 0])),))


def alpha(
    answered: Answered, within: tuple[Pairs, Scores], between: tuple[Pairs, Scores], size: int
) -> Figures:
    """Krippendorff's alpha of any similarity in [0, 1]: 1 - observed / expected disagreement.

    ``within`` are pairs of answers to one task, ``between`` random pairs of answers to different
    tasks: they give what chance gives. A task weighs as much as it has answers. Undefined where
    chance pairs never disagree.
    """
    pairs, scores = within
    task = answered.tasks[pairs.left]
    answers = np.bincount(answered.tasks, minlength=size)
    weight = scores.below * 2 / (answers[task] - 1)  # of m (m - 1) / 2 pairs: m in all
    observed = np.bincount(task, weights=weight * (1 - scores.above), minlength=size)
    weighed = np.bincount(task, weights=weight, minlength=size)
    chance_pairs, chance = between
    # Pairs of the same two tasks are drawn together: their sums are all that a resample needs.
    cells = answered.tasks[chance_pairs.left] * size + answered.tasks[chance_pairs.right]
    both, place = np.unique(cells, return_inverse=True)
    one, other = np.divmod(both, size)
    known = np.bincount(place, weights=chance.below)
    apart = np.bincount(place, weights=chance.below * (1 - chance.above))

    def chance_of(weights: FloatArray) -> FloatArray:
        drawn = weights[:, one] * weights[:, other]
        return divided(drawn @ apart, drawn @ known)

    def of(weights: FloatArray) -> FloatArray:
        seen = divided(weights @ observed, weights @ weighed)
        return (1 - divided(seen, np.nan_to_num(chance_of(weights))))[:, None]

    by_chance = float(chance_of(np.ones((1, size)))[0])
    return Figures(
        names=(ALPHA,),
        of=of,
        n=(int((weighed > 0).sum()),),
        limits=((1 - 1 / by_chance if by_chance > 0 else None, 1.0),),
    )
