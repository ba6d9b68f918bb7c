"""The report on low agreement: labels mixed up, examples, and whether merging them would help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest

from audit_jobs.measures.alpha import krippendorff_alpha
from audit_jobs.measures.guidelines import (
    MOST_EXAMPLES,
    MOST_PAIRS,
    _merging,
    guideline_report,
)
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.ratings import Ratings, ratings_of
from policies.domain import Estimate


def crowd(seed: int, *, blurred: float, units: int = 300) -> Ratings:
    """Five raters, labels a to d; of each c and d a share is called by the flip of a coin."""
    random = np.random.default_rng(seed)
    rows = []
    for unit, truth in enumerate(random.integers(0, 4, units)):
        for rater in range(5):
            label = truth if random.random() < 0.9 else random.integers(0, 4)
            if label >= 2 and random.random() < blurred:
                label = random.integers(2, 4)
            rows.append((f"task {unit}", str(rater), "abcd"[label]))
    items, raters, labels = zip(*rows, strict=True)
    return ratings_of(items, raters, labels)


def test_labels_that_nobody_tells_apart_are_named_and_merging_them_helps() -> None:
    ratings = crowd(0, blurred=1.0)
    report = guideline_report(ratings)
    worst = report.pairs[0]
    assert (worst.first, worst.second) == ("c", "d")
    assert worst.lift > 1.5
    assert worst.p_value is not None
    assert worst.p_value < 0.001
    assert worst.merging_helps
    assert report.alpha.value is not None
    assert worst.alpha_merged.value is not None
    assert worst.alpha_merged.value > report.alpha.value + 0.1


def test_merging_labels_that_people_tell_apart_does_not_help() -> None:
    report = guideline_report(crowd(1, blurred=0.0))
    assert len(report.pairs) == MOST_PAIRS
    assert not any(pair.merging_helps for pair in report.pairs)


def test_alpha_after_merging_is_the_alpha_of_the_merged_labels() -> None:
    ratings = crowd(2, blurred=0.5, units=60)
    alpha = krippendorff_alpha(patterns_of(ratings)).value
    assert alpha is not None
    for pair in guideline_report(ratings).pairs:
        first, second = (ratings.categories.index(label) for label in (pair.first, pair.second))
        merged = replace(ratings, values=np.where(ratings.values == second, first, ratings.values))
        expected = krippendorff_alpha(patterns_of(merged)).value
        assert expected is not None
        assert pair.alpha_merged.value == pytest.approx(expected, abs=1e-12)
        assert pair.gain.value == pytest.approx(expected - alpha, abs=1e-12)


def test_examples_got_both_labels() -> None:
    ratings = crowd(3, blurred=0.5)
    for pair in guideline_report(ratings).pairs:
        assert 0 < len(pair.examples) <= min(MOST_EXAMPLES, pair.units)
        for name in pair.examples:
            values = ratings.values[ratings.units == ratings.unit_names.index(name)]
            assert {pair.first, pair.second} <= {ratings.categories[code] for code in values}


def test_merging_the_only_two_labels_leaves_nothing_to_measure() -> None:
    report = guideline_report(
        ratings_of(["1", "1", "2", "2"], ["a", "b"] * 2, ["x", "y", "x", "x"])
    )
    (pair,) = report.pairs
    assert pair.alpha_merged.value is None
    assert pair.gain.value is None
    assert not pair.merging_helps
    assert pair.p_value is None


@pytest.mark.parametrize("labels", [[], ["x", "x"]])
def test_where_nobody_disagrees_there_is_nothing_to_report(labels: list[str]) -> None:
    report = guideline_report(ratings_of(["1"] * len(labels), "ab"[: len(labels)], labels))
    assert report.pairs == ()
    assert report.alpha.value is None


def test_the_report_is_plain_json() -> None:
    report = guideline_report(crowd(4, blurred=0.5, units=40))
    assert orjson.loads(orjson.dumps(report.as_json())) == report.as_json()


@pytest.mark.simulation
def test_the_interval_of_the_gain_covers_it() -> None:
    """The gain of a very large crowd lies in the interval of 95 % of small ones."""

    def gain(seed: int, units: int) -> Estimate:
        patterns = patterns_of(crowd(seed, blurred=0.3, units=units))
        return _merging(patterns, 2, 3, 0, gain=True)

    truth = gain(0, units=8_000).value
    inside = []
    for seed in range(1, 101):
        found = gain(seed, units=60)
        assert truth is not None
        assert found.low is not None
        assert found.high is not None
        inside.append(found.low <= truth <= found.high)
    assert 0.89 <= np.mean(inside) <= 0.99
