"""The learning curve: accuracies of parts, and advice that says nothing it does not know."""

from __future__ import annotations

import re

import numpy as np
import pytest

from backend.predictors.folds import folds, share_of
from backend.predictors.learning_curve import NOT_YET, curve_as_plain, curve_of
from policies.domain import BoolArray


def answers_of(sizes: list[int], rows: int, fall: float, seed: int) -> BoolArray:
    """Whether rows are answered right by models whose error is 1 / labels ** fall times 3.

    The same rows are hard for all of them, as held-out rows are.
    """
    hardness = np.random.default_rng(seed).random(rows)
    return np.array([hardness > 3 * size**-fall for size in sizes])


def test_the_advice_finds_what_the_law_says() -> None:
    sizes = [250, 500, 1_000]
    curve = curve_of(sizes, answers_of(sizes, 4_000, 0.5, 1), labels=1_250, seed=1)
    # 3 / sqrt(1,250) is .085: the next step is 92.5 %, at (3 / .075) ** 2 = 1,600 labels.
    found = re.fullmatch(
        r"about ([\d,]+) more labels for 92\.5 % \(between ([\d,]+) and ([\d,]+)\)", curve.advice
    )
    assert found is not None
    more, low, high = (int(each.replace(",", "")) for each in found.groups())
    assert 200 <= more <= 550
    assert low <= 350 <= high


@pytest.mark.simulation
def test_the_interval_of_the_advice_holds_the_truth_as_often_as_it_says() -> None:
    sizes, covered, told = [250, 500, 1_000], 0, 0
    for seed in range(200):
        curve = curve_of(sizes, answers_of(sizes, 1_500, 0.5, seed), labels=1_250, seed=seed)
        found = re.search(r"for (\S+) % \(between ([\d,]+) and ([\d,]+)\)", curve.advice)
        if found is None:
            continue
        truth = (3 / (1 - float(found[1]) / 100)) ** 2 - 1_250
        low, high = (int(each.replace(",", "")) for each in found.groups()[1:])
        told += 1
        covered += 0.95 * low - 10 <= truth <= 1.05 * high + 10  # the figures are rounded
    assert told > 100
    assert covered / told > 0.85


@pytest.mark.parametrize(
    "right",
    [
        np.ones((3, 20), bool),  # too few rows
        np.ones((3, 400), bool),  # hardly an error
        np.array([[row % 5 > 0 for row in range(400)]] * 3),  # nothing is gained
        np.array([[row % 5 > 4 - part for row in range(400)] for part in (2, 1, 0)]),  # it falls
    ],
)
def test_nothing_is_said_that_is_not_known(right: BoolArray) -> None:
    curve = curve_of([100, 200, 400], right, labels=500, seed=1)
    assert curve.advice == NOT_YET
    assert [point.labels for point in curve.points] == [100, 200, 400]


def test_the_curve_as_a_lineage_keeps_it() -> None:
    plain = curve_as_plain(
        curve_of([5, 10], np.array([[True, False], [True, True]]), labels=12, seed=1)
    )
    assert plain["advice"] == NOT_YET
    assert [point["labels"] for point in plain["points"]] == [5, 10]
    assert plain["points"][0]["accuracy"]["value"] == 0.5
    assert set(plain["points"][0]["accuracy"]) == {"value", "low", "high", "n"}


def test_every_label_stands_in_every_training_part_and_in_every_share_of_it() -> None:
    codes = np.repeat(np.arange(5), [1, 2, 3, 20, 40])
    for rows, held_out in folds(codes, 3):
        assert set(codes[rows]) == set(range(5))
        assert not set(rows) & set(held_out)
        part = share_of(rows, codes, 0.25, 3)
        assert set(codes[part]) == set(range(5))
        assert set(part) <= set(rows)
        assert len(part) == pytest.approx(0.25 * len(rows), abs=3)
    held = np.concatenate([held_out for _, held_out in folds(codes, 3)])
    assert sorted(held) == list(range(1, len(codes)))
