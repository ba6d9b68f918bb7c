"""Weights by inverse probability: unbiased where everything pooled is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.alpha import krippendorff_alpha, raw_agreement
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.ratings import Ratings, ratings_of
from audit_jobs.measures.resampling import estimated
from audit_jobs.measures.weighting import (
    Drawn,
    Part,
    nominal_figures,
    weighted,
    whole_weights,
)
from policies.domain import BoolArray, IntArray

SHARES = {Part.REVIEWED: 0.3, Part.ACCEPTED: 0.05}
SLICES = 0.1


def answers_of(truth: IntArray, hard: BoolArray, rng: np.random.Generator) -> IntArray:
    """Two answers a task: hard tasks are answered at random, easy ones almost always right."""
    wrong = rng.random((len(truth), 2)) < np.where(hard, 0.5, 0.02)[:, None]
    return np.where(wrong, 1 - truth[:, None], truth[:, None])


def ratings_from(answers: IntArray) -> Ratings:
    units = np.repeat(np.arange(len(answers)), 2)
    return ratings_of(
        [str(unit) for unit in units.tolist()],
        ["ann", "bob"] * len(answers),
        [str(value) for value in answers.ravel().tolist()],
    )


@pytest.mark.simulation
@pytest.mark.parametrize("with_slices", [True, False])
def test_the_whole_is_estimated_without_bias_and_the_pooled_figure_is_not(
    *, with_slices: bool
) -> None:
    rng = np.random.default_rng(7)
    size, runs = 4_000, 60
    estimates, pooled, wholes, covered = [], [], [], 0
    for run in range(runs):
        hard = rng.random(size) < 0.4  # a model is unsure of them: they are reviewed
        answers = answers_of(rng.integers(0, 2, size), hard, rng)
        draw = rng.random(size)
        slices = draw < SLICES
        part = np.where(slices, Part.SLICES, np.where(hard, Part.REVIEWED, Part.ACCEPTED))
        chance = np.where(hard, SHARES[Part.REVIEWED], SHARES[Part.ACCEPTED])
        read = (slices & with_slices) | (~slices & (rng.random(size) < chance))
        drawn = [
            Drawn(part=Part(part[at]), probability=SLICES if slices[at] else float(chance[at]))
            for at in np.flatnonzero(read)
        ]
        sizes = {each: int((part == each).sum()) for each in Part}
        weights = whole_weights(drawn, sizes)
        assert weights is not None
        ratings = ratings_from(answers[read])
        found = estimated([weighted(nominal_figures(ratings), weights)], len(weights), run)
        whole = patterns_of(ratings_from(answers))
        truth = krippendorff_alpha(whole, seed=run).value
        estimate = found["krippendorff_alpha"]
        assert truth is not None
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        estimates.append(estimate.value)
        covered += estimate.low <= truth <= estimate.high
        wholes.append(truth)
        pooled.append(krippendorff_alpha(patterns_of(ratings), seed=run).value or 0.0)
    error = np.array(estimates) - np.array(wholes)
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(runs)
    assert np.mean(pooled) < np.mean(wholes) - 0.05
    assert covered / runs > 0.88


@given(st.lists(st.sampled_from(["AA", "AB", "BB", "CA"]), min_size=1, max_size=30))
def test_equal_weights_change_nothing(units: list[str]) -> None:
    ratings = ratings_of(
        [str(place) for place in range(len(units)) for _ in "12"],
        ["ann", "bob"] * len(units),
        [label for unit in units for label in unit],
    )
    every = np.full(len(units), 3.0)
    row = nominal_figures(ratings)
    raw, alpha = weighted(row, np.ones(len(units))).of(np.ones((1, len(units))))[0]
    assert raw == pytest.approx(raw_agreement(patterns_of(ratings)).value)
    expected = krippendorff_alpha(patterns_of(ratings)).value
    assert alpha == pytest.approx(np.nan if expected is None else expected, nan_ok=True)
    assert row.of(every[None, :])[0][0] == pytest.approx(raw)


@given(
    st.lists(st.tuples(st.sampled_from(list(Part)), st.floats(0.01, 1)), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from(list(Part)), st.integers(1, 500), min_size=3),
)
def test_parts_stand_for_their_sizes(
    units: list[tuple[Part, float]], sizes: dict[Part, int]
) -> None:
    drawn = [Drawn(part=part, probability=chance) for part, chance in units]
    weights = whole_weights(drawn, sizes)
    parts = {part for part, _ in units}
    others = {Part.REVIEWED, Part.ACCEPTED} <= parts
    if weights is None:
        assert not others
        assert Part.SLICES not in parts
        return
    assert weights.mean() == pytest.approx(1)
    total = {
        part: sum(w for w, each in zip(weights, drawn, strict=True) if each.part is part)
        for part in Part
    }
    if others:
        ratio = sizes[Part.REVIEWED] / sizes[Part.ACCEPTED]
        assert total[Part.REVIEWED] / total[Part.ACCEPTED] == pytest.approx(ratio)
    else:
        assert total[Part.SLICES] == pytest.approx(len(units))


def test_who_had_half_the_chance_counts_twice() -> None:
    drawn = [Drawn(part=Part.REVIEWED, probability=chance) for chance in (0.5, 0.25)]
    weights = whole_weights(drawn, {Part.REVIEWED: 10, Part.SLICES: 3})
    assert weights is not None
    assert weights.tolist() == pytest.approx([2 / 3, 4 / 3])


def test_what_nobody_could_be_asked_about_is_not_estimated() -> None:
    drawn = [Drawn(part=Part.REVIEWED, probability=0.5)]
    assert whole_weights(drawn, {Part.REVIEWED: 10, Part.ACCEPTED: 1}) is None
    assert whole_weights([], {Part.REVIEWED: 10}) is None
