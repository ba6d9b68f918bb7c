"""Who disagrees more than others, who agrees with the consensus, how long an answer takes."""

from __future__ import annotations

import numpy as np
import pytest

from audit_jobs.measures.annotators import (
    FALSE_DISCOVERIES,
    agreement_with_consensus,
    disagreeing_more,
    lead_times,
)
from audit_jobs.measures.consensus import majority
from audit_jobs.measures.rater_pairs import rater_pairs
from audit_jobs.measures.ratings import Ratings, ratings_of


def columns(rows: list[tuple[str, str, str]]) -> Ratings:
    return ratings_of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def crowd(seed: int, spammers: int) -> Ratings:
    """Twelve raters of 300 units, nine in ten right; spammers guess among four labels."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, 300)
    rows = []
    for rater in range(12):
        name = f"spam{rater:02}" if rater < spammers else f"good{rater:02}"
        right = 0.25 if rater < spammers else 0.9
        for unit in np.flatnonzero(random.random(300) < 0.4):
            guess = truth[unit] if random.random() < right else random.integers(0, 4)
            rows.append((str(unit), name, str(guess)))
    return columns(rows)


@pytest.mark.simulation
def test_pairs_with_a_spammer_are_conspicuous_and_hardly_any_others() -> None:
    for seed in range(10):
        ratings = crowd(seed, spammers=1)
        pairs = rater_pairs(ratings)
        spam = ratings.rater_names.index("spam00")
        with_spammer = (pairs.left == spam) | (pairs.right == spam)
        conspicuous = disagreeing_more(pairs) <= FALSE_DISCOVERIES
        assert conspicuous[with_spammer].mean() > 0.9
        assert conspicuous[~with_spammer].mean() < 0.05


@pytest.mark.simulation
def test_among_equals_hardly_ever_is_a_pair_conspicuous() -> None:
    """Benjamini-Hochberg among equals: in at most one crowd of twenty is any pair named."""
    named = [
        bool((disagreeing_more(rater_pairs(crowd(seed, spammers=0))) <= FALSE_DISCOVERIES).any())
        for seed in range(60)
    ]
    assert sum(named) <= 7  # binomial: more than 7 of 60 at 5 % has a chance under 2 %


def test_two_annotators_have_nobody_to_be_compared_with() -> None:
    pairs = rater_pairs(columns([("1", "a", "x"), ("1", "b", "y")]))
    assert np.isnan(disagreeing_more(pairs)).tolist() == [True]
    assert len(disagreeing_more(rater_pairs(columns([])))) == 0


def test_agreement_with_the_consensus_leaves_the_annotator_himself_out() -> None:
    """Of two who disagree everywhere neither ever agrees, whichever way a tie falls."""
    ratings = columns([(str(unit), rater, rater) for unit in range(5) for rater in "ab"])
    found = agreement_with_consensus(ratings, majority(ratings))
    assert [(one.value, one.n) for one in found] == [(0, 5), (0, 5)]


def test_agreement_with_the_consensus_is_undefined_for_who_works_alone() -> None:
    ratings = columns([("1", "a", "x"), ("1", "b", "x"), ("2", "c", "x")])
    found = agreement_with_consensus(ratings, majority(ratings))
    assert [(one.value, one.n) for one in found] == [(1, 1), (1, 1), (None, 0)]


def test_the_median_time_leaves_out_what_is_no_time() -> None:
    raters = np.array([0, 0, 0, 0, 1, 1, 2])
    seconds = np.array([3.0, 1.0, 2.0, np.nan, 0.0, -5.0, 7.0])
    found = lead_times(raters, seconds, 4)
    assert [(one.value, one.low, one.n) for one in found] == [
        (2, None, 3),
        (None, None, 0),
        (7, None, 1),
        (None, None, 0),
    ]


@pytest.mark.simulation
def test_the_interval_of_the_median_time_covers_it() -> None:
    random = np.random.default_rng(0)
    times = random.lognormal(3, 1, 2_000 * 25)
    found = lead_times(np.repeat(np.arange(2_000), 25), times, 2_000)
    inside = [
        one.low <= np.exp(3) <= one.high
        for one in found
        if one.low is not None and one.high is not None
    ]
    assert len(inside) == 2_000
    assert 0.94 <= np.mean(inside) <= 0.98  # binomial steps: exactly 0.957 for 25 times
