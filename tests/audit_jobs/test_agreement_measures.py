"""Agreement: published figures, another implementation, and intervals that cover."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.agreement import krippendorff_alpha, label_counts, raw_agreement
from policies.domain import IntArray

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections B and C.
BINARY = ("0100000000", "1110010010")
FOUR_CODERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def counts_of(coders: Sequence[Sequence[str]]) -> IntArray:
    votes = [(unit, label) for coder in coders for unit, label in enumerate(coder) if label != "."]
    return label_counts([unit for unit, _ in votes], [label for _, label in votes])


def test_krippendorffs_own_examples() -> None:
    assert krippendorff_alpha(counts_of(BINARY)).value == pytest.approx(0.095, abs=5e-4)
    four = krippendorff_alpha(counts_of([each.split() for each in FOUR_CODERS]))
    assert four.value == pytest.approx(0.743, abs=5e-4)
    assert four.n == 11  # the twelfth unit has one vote


@given(
    st.integers(2, 6).flatmap(
        lambda coders: st.lists(
            st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=coders, max_size=coders),
            min_size=1,
            max_size=30,
        )
    )
)
def test_alpha_is_that_of_the_krippendorff_package(units: list[list[str | None]]) -> None:
    votes = [(unit, said) for unit, row in enumerate(units) for said in row if said is not None]
    ours = krippendorff_alpha(label_counts([u for u, _ in votes], [said for _, said in votes]))
    pairable = [row for row in units if sum(said is not None for said in row) >= 2]
    if len({said for row in pairable for said in row if said is not None}) < 2:
        assert (ours.value, ours.low, ours.high) == (None, None, None)
        return
    codes = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0, None: np.nan}
    data = np.array([[codes[said] for said in row] for row in pairable]).T
    theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert ours.value == pytest.approx(theirs, abs=1e-9)
    assert ours.n == len(pairable)


@pytest.mark.parametrize(
    ("name", "alpha"), [("rte", 0.2415), ("bluebird", 0.1255), ("face_sentiment", 0.4949)]
)
def test_alpha_of_real_votes(data_folder: Path, name: str, alpha: float) -> None:
    with gzip.open(data_folder / f"{name}_votes.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    numbers = {item: place for place, item in enumerate(sorted({row["item"] for row in rows}))}
    counts = label_counts([numbers[row["item"]] for row in rows], [row["label"] for row in rows])
    found = krippendorff_alpha(counts)
    assert found.value == pytest.approx(alpha, abs=5e-5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < alpha < found.high


def test_alpha_of_real_preferences(data_folder: Path) -> None:
    with gzip.open(data_folder / "pandalm_preferences.jsonl.gz", "rt", encoding="utf-8") as file:
        pairs: list[dict[str, Any]] = [json.loads(line) for line in file]
    votes = [
        (place, str(judgment["label"] if isinstance(judgment, dict) else judgment))
        for place, pair in enumerate(pairs)
        for judgment in _judgments(pair["judgments"])
    ]
    found = krippendorff_alpha(label_counts([p for p, _ in votes], [said for _, said in votes]))
    assert found.value == pytest.approx(0.8642, abs=5e-5)
    assert found.n == 999


def _judgments(judgments: Any) -> list[Any]:
    return list(judgments.values()) if isinstance(judgments, dict) else list(judgments)


@pytest.mark.parametrize(
    ("units", "labels", "n"),
    [([], [], 0), ([1, 2, 3], ["a", "b", "a"], 0), ([1, 1, 2, 2], ["a", "a", "a", "a"], 2)],
)
def test_an_undefined_alpha_is_none(units: list[int], labels: list[str], n: int) -> None:
    found = krippendorff_alpha(label_counts(units, labels))
    assert (found.value, found.low, found.high, found.n) == (None, None, None, n)


def test_raw_agreement_is_the_share_of_agreeing_pairs() -> None:
    units, labels = [1, 1, 1, 2, 2, 3], ["a", "a", "b", "b", "b", "a"]
    found = raw_agreement(label_counts(units, labels))
    assert found.value == pytest.approx(2 / 4)  # of 3 + 1 pairs: one and one agree
    assert found.n == 2
    assert raw_agreement(label_counts([1, 1], ["a", "a"])).value == 1
    assert raw_agreement(label_counts([1], ["a"])).value is None


def test_labels_are_told_apart_to_the_last_character() -> None:
    counts = label_counts([1, 1, 2, 2], ["a", "a ", "\u00e9", "e\u0301"])
    assert counts.shape == (2, 4)
    assert raw_agreement(counts).value == 0


def test_the_same_votes_and_seed_give_the_same_interval() -> None:
    counts = counts_of([each.split() for each in FOUR_CODERS])
    assert krippendorff_alpha(counts) == krippendorff_alpha(counts)
    assert krippendorff_alpha(counts[::-1]) == krippendorff_alpha(counts)
    assert krippendorff_alpha(counts, seed=1).low != krippendorff_alpha(counts, seed=2).low


@pytest.mark.simulation
def test_the_interval_covers_as_often_as_it_says() -> None:
    """Two coders right with 0.85 each on two labels: expected alpha is (2 * 0.85 - 1) ** 2."""
    random = np.random.default_rng(7)
    true_alpha, units, repeats = 0.7**2, 200, 1_000
    covered = 0
    for _ in range(repeats):
        truth = random.integers(0, 2, units)
        said = np.where(random.random((2, units)) < 0.85, truth, 1 - truth)
        counts = np.stack([(said == label).sum(axis=0) for label in (0, 1)], axis=1)
        found = krippendorff_alpha(counts.astype(np.int64), seed=int(random.integers(2**31)))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true_alpha <= found.high
    assert 0.93 <= covered / repeats <= 0.97
