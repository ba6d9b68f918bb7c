"""Whether a unit needs one more reader: its own answers do not say how good its readers are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.one_coin import one_coin, posterior_beside
from audit_jobs.measures.ratings import Ratings, ratings_of

PAIRS = (("ann", "bob"), ("bob", "cat"), ("cat", "ann"))
TRUTHS = ("x", "y", "z", "y")


def ratings(last: dict[str, str], others: int = 12) -> Ratings:
    """Some units on which two of three readers agree, and one more."""
    rows = [
        (f"unit {n}", reader, TRUTHS[n % len(TRUTHS)])
        for n in range(others)
        for reader in PAIRS[n % len(PAIRS)]
    ]
    rows += [("last", reader, label) for reader, label in last.items()]
    units, raters, values = zip(*rows, strict=True)
    return ratings_of(units, raters, values)


def taken(last: dict[str, str], others: int = 12) -> tuple[str, float]:
    found = ratings(last, others)
    made = posterior_beside(found)
    return found.categories[made.labels[-1]], float(made.confidence[-1])


def test_two_good_readers_who_differ_settle_nothing() -> None:
    quarrel = {"ann": "y", "bob": "x"}
    assert taken(quarrel)[1] < 0.7
    # The iteration breaks the tie by itself, and is sure of it: why this function is there.
    assert one_coin(ratings(quarrel)).confidence[-1] > 0.95


def test_a_third_reader_settles_it() -> None:
    label, sure = taken({"ann": "y", "bob": "x", "cat": "y"})
    assert label == "y"
    assert sure > 0.95


def test_two_who_agree_are_surer_than_one_and_three_than_two() -> None:
    sure = [taken(dict.fromkeys(names, "x"))[1] for names in (["ann"], ["ann", "bob"])]
    assert 0.5 < sure[0] < sure[1] < 1


def test_a_reader_whom_nobody_knows_is_an_average_one() -> None:
    known, new = taken({"ann": "x"})[1], taken({"new": "x"})[1]
    assert 0.8 < new < known


@pytest.mark.parametrize("others", [0, 1, 3])
def test_few_answers_make_a_probability_too(others: int) -> None:
    label, sure = taken({"ann": "x", "bob": "x"}, others)
    assert (label, 0.5 < sure <= 1) == ("x", True)


_rows = st.lists(
    st.tuples(st.sampled_from("123456"), st.sampled_from("abc"), st.sampled_from("xyz")),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row[:2],
)


@given(_rows)
def test_it_is_a_probability_of_a_label_that_somebody_gave(rows: list[tuple[str, ...]]) -> None:
    found = ratings_of(*zip(*rows, strict=True))
    made = posterior_beside(found)
    assert ((made.confidence > 0) & (made.confidence <= 1)).all()
    given_labels = {(int(u), int(v)) for u, v in zip(found.units, found.values, strict=True)}
    assert set(enumerate(made.labels.tolist())) <= given_labels


@pytest.mark.simulation
def test_it_is_right_as_often_as_it_says() -> None:
    """Three readers of 85, 75 and 65 %, four labels: by fifths of confidence, within 6 %."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 6_000)
    said = [
        np.where(rng.random(6_000) < skill, truth, (truth + rng.integers(1, 4, 6_000)) % 4)
        for skill in (0.85, 0.75, 0.65)
    ]
    found = ratings_of(
        [str(unit) for unit in range(6_000) for _ in range(3)],
        ["a", "b", "c"] * 6_000,
        [str(label) for row in zip(*said, strict=True) for label in row],
    )
    made = posterior_beside(found)
    names = np.array([int(name) for name in found.categories])
    right = names[made.labels] == truth
    for low in (0.4, 0.6, 0.8):
        part = (made.confidence >= low) & (made.confidence < low + 0.2)
        if part.sum() > 200:
            assert right[part].mean() == pytest.approx(made.confidence[part].mean(), abs=0.06)
