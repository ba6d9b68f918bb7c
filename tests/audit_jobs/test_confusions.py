"""Which labels are mixed up, by everybody and by one rater alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from audit_jobs.measures.confusions import (
    examples,
    label_confusions,
    rater_confusions,
)
from audit_jobs.measures.consensus import majority
from audit_jobs.measures.multiple_tests import adjusted
from audit_jobs.measures.ratings import Ratings, ratings_of

ROWS = st.lists(
    st.tuples(st.sampled_from("12345"), st.sampled_from("abcd"), st.sampled_from("wxyz")),
    max_size=30,
)


def columns(rows: list[tuple[str, str, str]]) -> Ratings:
    return ratings_of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


@given(ROWS)
def test_units_that_got_both_labels_are_counted_once(rows: list[tuple[str, str, str]]) -> None:
    ratings = columns(rows)
    got: dict[int, set[int]] = {}
    for unit, value in zip(ratings.units.tolist(), ratings.values.tolist(), strict=True):
        got.setdefault(unit, set()).add(value)
    expected: dict[tuple[int, int], int] = {}
    for values in got.values():
        for pair in combinations(sorted(values), 2):
            expected[pair] = expected.get(pair, 0) + 1
    found = label_confusions(ratings)
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(pairs, found.units.tolist(), strict=True)) == expected
    assert found.units.tolist() == sorted(found.units.tolist(), reverse=True)
    assert found.expected.sum() <= found.units.sum() + 1e-9


@given(ROWS)
def test_a_rater_is_confused_where_he_differs_from_the_others(
    rows: list[tuple[str, str, str]],
) -> None:
    ratings = columns(rows)
    others = majority(ratings).others
    found = rater_confusions(ratings, others)
    differ = (others >= 0) & (others != ratings.values)
    assert found.times.sum() == differ.sum()
    assert (found.expected > 0).all()
    assert ((found.p_value >= 0) & (found.p_value <= 1)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_without_unlisted_tests_the_adjustment_is_benjamini_and_hochbergs(
    chances: list[float],
) -> None:
    expected = false_discovery_control(chances)
    assert adjusted(np.array(chances), len(chances)) == pytest.approx(expected)


def test_examples_are_the_units_that_split_people_most_evenly() -> None:
    rows = [("clear", rater, "x") for rater in "abcd"]
    rows += [("mostly", rater, label) for rater, label in zip("abcd", "xxxy", strict=True)]
    rows += [("even", rater, label) for rater, label in zip("abcd", "xyxy", strict=True)]
    rows += [("other", rater, label) for rater, label in zip("abcd", "xzxz", strict=True)]
    ratings = columns(rows)
    x, y = (ratings.categories.index(label) for label in "xy")
    names = [ratings.unit_names[unit] for unit in examples(ratings, x, y)]
    assert names == ["even", "mostly"]
    assert len(examples(ratings, x, y, most=1)) == 1


def crowd(seed: int, *, swap: float, odd: float) -> Ratings:
    """Ten raters, five labels; ``swap`` of the 3s are called 4; rater 0 calls ``odd`` 1s a 2."""
    random = np.random.default_rng(seed)
    rows = []
    for unit, truth in enumerate(random.integers(0, 5, 400)):
        for rater in random.choice(10, 4, replace=False):
            label = truth if random.random() < 0.85 else random.integers(0, 5)
            if truth == 3 and random.random() < swap:
                label = 4
            if rater == 0 and truth == 1 and random.random() < odd:
                label = 2
            rows.append((str(unit), str(rater), str(label)))
    return columns(rows)


@pytest.mark.simulation
def test_labels_that_everybody_mixes_up_are_named_first_and_alone() -> None:
    for seed in range(5):
        found = label_confusions(crowd(seed, swap=0.3, odd=0))
        assert (found.first[0], found.second[0]) == (3, 4)
        assert found.lift[0] > 1.5
        assert found.conspicuous.tolist() == [True] + [False] * 9


@pytest.mark.simulation
def test_a_rater_with_a_reading_of_his_own_is_named() -> None:
    for seed in range(5):
        ratings = crowd(seed, swap=0, odd=0.6)
        found = rater_confusions(ratings, majority(ratings).others)
        row = (found.rater[0], found.others[0], found.said[0])
        assert row == (0, 1, 2)
        assert found.conspicuous[0]
        assert found.lift[0] > 2


@pytest.mark.simulation
def test_where_nothing_stands_out_hardly_anything_is_named() -> None:
    named = {"labels": 0, "raters": 0}
    for seed in range(40):
        ratings = crowd(seed, swap=0, odd=0)
        named["labels"] += bool(label_confusions(ratings).conspicuous.any())
        found = rater_confusions(ratings, majority(ratings).others)
        named["raters"] += bool(found.conspicuous.any())
    # Benjamini-Hochberg: at most 5 % of crowds; more than 6 of 40 then has a chance of 0.3 %.
    assert max(named.values()) <= 6


def test_two_labels_alone_cannot_stand_out() -> None:
    found = label_confusions(columns([("1", "a", "x"), ("1", "b", "y")]))
    assert len(found) == 1
    assert np.isnan(found.p_value).all()
    assert not found.conspicuous.any()


@pytest.mark.parametrize("rows", [[], [("1", "a", "x")], [("1", "a", "x"), ("1", "b", "x")]])
def test_where_nobody_disagrees_nothing_is_confused(rows: list[tuple[str, str, str]]) -> None:
    ratings = columns(rows)
    assert len(label_confusions(ratings)) == 0
    assert len(rater_confusions(ratings, majority(ratings).others)) == 0
