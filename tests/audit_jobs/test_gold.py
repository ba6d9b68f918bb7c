"""Scores on gold: what counts, what is not known, and when somebody is below the minimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.consensus import majority
from audit_jobs.measures.gold import accuracy, below, gold_of, gold_scores
from audit_jobs.measures.ratings import Ratings, ratings_of
from policies.intervals import UNKNOWN, exact_upper, wilson


@pytest.fixture
def ratings() -> Ratings:
    return ratings_of(
        ["1", "1", "2", "2", "3"],
        ["ann", "bob", "ann", "bob", "cem"],
        ["x", "y", "x", "x", "y"],
    )


def test_scores_are_by_annotator_and_only_of_gold_units(ratings: Ratings) -> None:
    gold = gold_of(ratings, {"1": "x", "2": "y", "elsewhere": "x"})
    assert (gold.matched, gold.unknown, gold.known.tolist()) == (2, 1, [0, 1])
    scores = gold_scores(ratings, gold)
    assert [(score.value, score.n) for score in scores] == [(0.5, 2), (0, 2), (None, 0)]


def test_a_true_label_that_nobody_ever_gave_is_an_answer_wrong(ratings: Ratings) -> None:
    scores = gold_scores(ratings, gold_of(ratings, {"3": "z"}))
    assert [(score.value, score.n) for score in scores] == [(None, 0), (None, 0), (0, 1)]


def test_a_tie_counts_by_its_chance(ratings: Ratings) -> None:
    found = accuracy(majority(ratings), gold_of(ratings, {"1": "y", "2": "x", "3": "y"}))
    assert found.value == pytest.approx(2.5 / 3)
    assert found.n == 3


def test_accuracy_without_gold_is_undefined(ratings: Ratings) -> None:
    assert accuracy(majority(ratings), gold_of(ratings, {})) == UNKNOWN


@given(st.integers(0, 60), st.data(), st.floats(0.01, 1))
def test_below_means_that_both_bounds_are(n: int, data: st.DataObject, minimum: float) -> None:
    right = data.draw(st.integers(0, n))
    score = wilson(right, n)
    if below(score, minimum):
        assert score.high is not None
        assert score.high < minimum
        assert exact_upper(right, n, 0.975) < minimum


@given(st.integers(1, 60), st.data())
def test_one_more_right_answer_never_bars_anybody(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n - 1))
    if below(wilson(right + 1, n), 0.8):
        assert below(wilson(right, n), 0.8)


def test_one_wrong_answer_and_no_answer_bar_nobody() -> None:
    assert not below(wilson(0, 1), 0.8)
    assert not below(UNKNOWN, 0.8)
    assert below(wilson(0, 3), 0.8)


def test_ratings_without_units_have_no_gold() -> None:
    nothing = ratings_of([], [], [])
    gold = gold_of(nothing, {"1": "x"})
    assert (gold.matched, gold.unknown, len(gold.codes)) == (0, 1, 0)
    assert gold_scores(nothing, gold) == ()
    assert np.array_equal(gold.known, [])
