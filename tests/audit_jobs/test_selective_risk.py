"""Risk by coverage against counting by hand, and what must hold for any scores."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures import selective_risk as module
from audit_jobs.measures.selective_risk import cheapest_point, selective_risk
from policies.costs import Costs
from policies.intervals import wilson

# Few distinct scores, so that ties are common; some unknown.
_SCORES = st.one_of(st.sampled_from([0.1, 0.5, 0.9, 1.0]), st.floats(0, 1), st.just(math.nan))
_ANSWERS = st.lists(st.tuples(_SCORES, st.booleans()), max_size=60)


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@given(_ANSWERS)
def test_every_point_is_what_counting_says(answers: list[tuple[float, bool]]) -> None:
    points = selective_risk([score for score, _ in answers], [wrong for _, wrong in answers])
    assert [point.threshold for point in points] == sorted(
        {score for score, _ in answers if math.isfinite(score)}, reverse=True
    )
    for point in points:
        accepted = [wrong for score, wrong in answers if score >= point.threshold]
        assert point.coverage == pytest.approx(len(accepted) / len(answers))
        assert point.error == wilson(sum(accepted), len(accepted))


@given(_ANSWERS)
def test_coverage_only_grows_and_ends_at_all_scored_answers(
    answers: list[tuple[float, bool]],
) -> None:
    points = selective_risk([score for score, _ in answers], [wrong for _, wrong in answers])
    assert all(before.coverage < after.coverage for before, after in pairwise(points))
    assert all(before.threshold > after.threshold for before, after in pairwise(points))
    scored = sum(math.isfinite(score) for score, _ in answers)
    if scored:
        assert points[-1].coverage == pytest.approx(scored / len(answers))
    else:
        assert points == ()


def test_a_better_order_never_costs_more() -> None:
    generator = np.random.default_rng(0)
    wrong = generator.random(2_000) < 0.2
    perfect = selective_risk(1.0 - wrong + generator.random(2_000) / 10, wrong)
    useless = selective_risk(generator.random(2_000), wrong)
    for point in perfect:
        like = min(useless, key=lambda other: abs(other.coverage - point.coverage))
        assert (point.error.value or 0) <= (like.error.value or 0) + 0.06
    assert perfect[-1].error.value == useless[-1].error.value == wrong.mean()


def test_a_long_curve_is_thinned_evenly_and_keeps_its_ends() -> None:
    scores = np.linspace(1, 0, 20_000)
    wrong = np.arange(20_000) % 10 == 9
    points = selective_risk(scores, wrong, most=200)
    assert 190 <= len(points) <= 200
    assert points[0].coverage == 1 / 20_000
    assert points[-1].coverage == 1.0
    steps = np.diff([point.coverage for point in points])
    assert steps.max() < 2 * steps.min()


def test_equal_scores_are_accepted_together() -> None:
    (point,) = selective_risk([0.9] * 100, [True] * 3 + [False] * 97)
    assert (point.coverage, point.error.value, point.error.n) == (1.0, 0.03, 100)


@given(_ANSWERS, st.floats(0, 20), st.floats(0.01, 2))
def test_the_cheapest_point_costs_no_more_than_any_other(
    answers: list[tuple[float, bool]], error: float, review: float
) -> None:
    scores, wrong = [score for score, _ in answers], [mistaken for _, mistaken in answers]
    found = cheapest_point(scores, wrong, Costs(error=error, review=review))

    def cost(threshold: float) -> float:
        accepted = [mistaken for score, mistaken in answers if score >= threshold]
        return error * sum(accepted) - review * len(accepted)

    least = min((cost(score) for score in scores if math.isfinite(score)), default=0.0)
    if found is None:
        assert least >= -1e-9
    else:
        assert cost(found.threshold) == pytest.approx(least)
        assert least < 0


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="scores and wrong differ in length: 2 and 1"):
        selective_risk([0.5, 0.6], [True])
