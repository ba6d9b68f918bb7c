from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.special import logsumexp

from backend.predictors.spans.chains import Steps, best_tags, expected_steps, packing, posterior
from backend.predictors.spans.tags import allowed_steps, tag_count
from policies.domain import FloatArray

LENGTHS = [3, 1, 4, 2]


def chain(seed: int, labels: int = 1) -> tuple[FloatArray, Steps]:
    rng = np.random.default_rng(seed)
    kinds = tag_count(labels)
    steps = Steps(
        first=rng.normal(size=kinds),
        after=rng.normal(size=(kinds, kinds)),
        allowed=allowed_steps(labels),
    )
    return rng.normal(0, 2, (sum(LENGTHS), kinds)), steps


def all_ways(scores: FloatArray, steps: Steps) -> dict[tuple[int, ...], float]:
    """The score of every allowed tagging of one sequence."""
    found = {}
    for way in product(range(scores.shape[1]), repeat=len(scores)):
        before = (0, *way[:-1])
        if all(steps.allowed[one, two] for one, two in zip(before, way, strict=True)):
            onward = sum(steps.after[one, two] for one, two in pairwise(way))
            own = sum(scores[place, tag] for place, tag in enumerate(way))
            found[way] = float(steps.first[way[0]] + onward + own)
    return found


@pytest.mark.parametrize(("seed", "labels"), [(0, 1), (1, 1), (2, 2)])
def test_probabilities_and_the_best_way_are_those_of_all_ways(seed: int, labels: int) -> None:
    scores, steps = chain(seed, labels)
    pack = packing(LENGTHS)
    found = posterior(scores[pack.rows], steps, pack)
    tags, best = best_tags(scores[pack.rows], steps, pack)
    marginals, likeliest = np.empty_like(scores), np.empty(len(scores), np.int64)
    marginals[pack.rows], likeliest[pack.rows] = found.tags, tags
    expected = np.zeros_like(steps.after)
    first = 0
    for sequence, length in enumerate(LENGTHS):
        own = slice(first, first + length)
        ways = all_ways(scores[own], steps)
        total = logsumexp(list(ways.values()))
        assert found.log_totals[sequence] == pytest.approx(total)
        assert best[sequence] == pytest.approx(max(ways.values()))
        assert tuple(likeliest[own].tolist()) == max(ways, key=ways.__getitem__)
        by_hand = np.zeros((length, scores.shape[1]))
        for way, score in ways.items():
            by_hand[np.arange(length), way] += np.exp(score - total)
            np.add.at(expected, (way[:-1], way[1:]), np.exp(score - total))
        assert np.allclose(marginals[own], by_hand)
        first += length
    assert np.allclose(expected_steps(found, pack, np.ones(len(scores))), expected)


def test_the_expected_steps_are_the_slope_of_the_total() -> None:
    scores, steps = chain(3)
    pack = packing(LENGTHS)
    allowed = np.flatnonzero(steps.allowed)

    def after_of(values: FloatArray) -> Steps:
        after = np.zeros(steps.after.size)
        after[allowed] = values
        return Steps(
            first=steps.first, after=after.reshape(steps.after.shape), allowed=steps.allowed
        )

    def total(values: FloatArray) -> float:
        return float(posterior(scores[pack.rows], after_of(values), pack).log_totals.sum())

    def slope(values: FloatArray) -> FloatArray:
        found = posterior(scores[pack.rows], after_of(values), pack)
        return expected_steps(found, pack, np.ones(len(scores))).ravel()[allowed]

    assert check_grad(total, slope, steps.after.ravel()[allowed]) < 1e-5


def test_scores_far_apart_leave_numbers_finite() -> None:
    pack = packing([300, 2])
    scores = np.random.default_rng(0).normal(0, 300, (302, 3))
    _, steps = chain(0)
    found = posterior(scores[pack.rows], steps, pack)
    assert np.isfinite(found.tags).all()
    assert np.allclose(found.tags.sum(axis=1), 1.0)
    assert np.isfinite(found.log_totals).all()


def test_no_sequence_is_no_trouble() -> None:
    _, steps = chain(0)
    pack = packing([])
    assert best_tags(np.empty((0, 3)), steps, pack)[0].shape == (0,)
