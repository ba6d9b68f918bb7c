"""Reliability against scikit-learn, by hand, and what chance alone shows."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from audit_jobs.measures import reliability as module
from audit_jobs.measures.reliability import reliability
from policies.intervals import wilson


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bins", [5, 10])
def test_bins_are_those_of_scikit_learn(seed: int, bins: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.beta(4, 2, 500)
    right = generator.random(500) < scores**2
    shares, means = calibration_curve(right, scores, n_bins=bins, strategy="uniform")
    found = reliability(scores, right, bins)
    assert [each.right.value for each in found.bins] == pytest.approx(shares.tolist())
    assert [each.score for each in found.bins] == pytest.approx(means.tolist())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_every_answer_is_in_one_bin_and_the_error_is_their_weighted_distance(
    answers: list[tuple[float, bool]],
) -> None:
    found = reliability([score for score, _ in answers], [right for _, right in answers])
    assert sum(each.right.n for each in found.bins) == found.n == len(answers)
    by_hand = 0.0
    for each in found.bins:
        inside = [
            (score, right)
            for score, right in answers
            if each.start <= int(score * 10) / 10 < each.end - 1e-9
            or (score == 1 and each.end == 1)
        ]
        assert each.right == wilson(sum(right for _, right in inside), len(inside))
        mean = math.fsum(score for score, _ in inside) / len(inside)
        assert each.score == pytest.approx(mean)
        by_hand += abs(mean - (each.right.value or 0)) * len(inside) / len(answers)
    assert found.error == pytest.approx(by_hand)
    assert 0 <= (found.error or 0) <= 1


def test_perfect_scores_show_what_chance_does_and_bad_ones_more() -> None:
    generator = np.random.default_rng(1)
    passed = 0
    for _ in range(100):
        scores = generator.uniform(0.5, 1, 400)
        found = reliability(scores, generator.random(400) < scores)
        assert found.error is not None
        assert found.most_by_chance is not None
        passed += found.error <= found.most_by_chance
    assert passed >= 88  # 95 of 100 by right
    scores = generator.uniform(0.5, 1, 400)
    worse = reliability(scores, generator.random(400) < scores - 0.2)
    assert (worse.error or 0) > (worse.most_by_chance or 1)
    assert worse.bias == pytest.approx(0.2, abs=0.08)


def test_what_has_no_score_is_left_out_and_nothing_is_no_figure() -> None:
    found = reliability([math.nan, 0.9, 1.5, -0.1, math.inf], [True, True, False, False, False])
    assert found.n == 1
    nothing = reliability([], [])
    assert (nothing.n, nothing.bins, nothing.error, nothing.bias) == (0, (), None, None)
    assert nothing.as_json()["error"] is None


def test_the_ends_of_the_scale_are_in_a_bin() -> None:
    found = reliability([0.0, 1.0], [False, True])
    assert [(each.start, each.end) for each in found.bins] == [(0.0, 0.1), (0.9, 1.0)]
    assert found.error == 0


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="scores and right differ in length: 1 and 2"):
        reliability([0.5], [True, False])
