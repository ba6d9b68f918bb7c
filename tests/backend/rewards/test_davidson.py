from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from backend.predictors.rewards.davidson import (
    Outcomes,
    chances,
    curvature,
    effects,
    fit_davidson,
)
from policies.domain import FloatArray

FEATURES = 40


def judged(rng: np.random.Generator, differences: FloatArray, tie: float | None = None) -> Outcomes:
    """One judgement of each pair, drawn by Davidson's model."""
    places = (rng.random((len(differences), 1)) > chances(differences, tie).cumsum(axis=1)).sum(1)
    first, second, ties = (np.asarray(places == place, np.float64) for place in range(3))
    return Outcomes(first=first, second=second, ties=ties)


def world(seed: int, pairs: int) -> tuple[np.random.Generator, FloatArray, FloatArray]:
    """What features are worth, and the differences of pairs."""
    rng = np.random.default_rng(seed)
    worth = 0.5 * rng.normal(size=FEATURES)
    return rng, worth, rng.normal(size=(pairs, FEATURES)) - rng.normal(size=(pairs, FEATURES))


@pytest.mark.simulation
def test_a_thousand_pairs_of_forty_features_give_the_true_order_and_the_place_beside_it() -> None:
    agreements, places = [], []
    for seed in range(20):
        rng, worth, pairs = world(seed, 1_000)
        first = rng.choice([-1.0, 1.0], len(pairs))
        said = judged(rng, pairs @ worth + 0.35 * first)
        penalties = np.append(np.ones(FEATURES), 1e-3)
        found = fit_davidson(np.column_stack([pairs, first]), said, penalties).coefficients
        unseen = rng.normal(size=(5_000, FEATURES)) - rng.normal(size=(5_000, FEATURES))
        agreements.append(np.mean((unseen @ worth > 0) == (unseen @ found[:-1] > 0)))
        places.append(found[-1])
    assert np.mean(agreements) >= 0.94
    assert min(agreements) > 0.92
    assert np.mean(places) == pytest.approx(0.35, abs=0.06)


@pytest.mark.simulation
def test_intervals_of_effects_hold_what_is_true_as_often_as_they_say() -> None:
    truth = np.array([0.6, -0.3, 0.35])
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        prompts = np.repeat(np.arange(100), 4)
        # Prompts differ in what they make of the first figure: pairs of a prompt are alike.
        own = np.repeat(rng.normal(size=100), 4) * 0.2
        figures = rng.normal(size=(400, 3))
        said = judged(rng, figures @ truth + own * figures[:, 0], tie=-0.7)
        for found, true in zip(effects(figures, said, prompts), truth, strict=True):
            assert found.low is not None
            assert found.high is not None
            held += found.low <= true <= found.high
    assert 0.93 <= held / 600 <= 0.975


@pytest.mark.simulation
def test_ties_are_as_likely_as_they_were_drawn() -> None:
    rng, worth, pairs = world(1, 4_000)
    found = fit_davidson(pairs, judged(rng, pairs @ worth, tie=0.4), np.ones(FEATURES))
    assert found.tie == pytest.approx(0.4, abs=0.15)
    assert np.corrcoef(found.coefficients, worth)[0, 1] > 0.98


def test_a_sparse_matrix_and_a_dense_one_give_the_same_fit() -> None:
    rng, worth, pairs = world(2, 300)
    said = judged(rng, pairs @ worth, tie=0.0)
    dense = fit_davidson(pairs, said, np.ones(FEATURES))
    sparse = fit_davidson(csr_matrix(pairs), said, np.ones(FEATURES))
    assert sparse.coefficients == pytest.approx(dense.coefficients, abs=1e-3)
    assert sparse.tie == pytest.approx(dense.tie, abs=1e-3)


def test_the_place_changes_sides_with_the_pair() -> None:
    rng, worth, pairs = world(3, 400)
    said = judged(rng, pairs @ worth)
    turned = Outcomes(first=said.second, second=said.first, ties=said.ties)
    there = fit_davidson(pairs, said, np.ones(FEATURES)).coefficients
    assert fit_davidson(-pairs, turned, np.ones(FEATURES)).coefficients == pytest.approx(there)


def test_without_ties_none_is_expected_and_all_ties_stay_finite() -> None:
    ones, none = np.ones(5), np.zeros(5)
    column = np.arange(5, dtype=np.float64)[:, None]
    assert (
        fit_davidson(column, Outcomes(first=ones, second=none, ties=none), np.ones(1)).tie is None
    )
    alike = fit_davidson(column, Outcomes(first=none, second=none, ties=ones), np.ones(1))
    assert alike.tie is not None
    assert np.isfinite(alike.tie)
    assert chances(np.zeros(1), alike.tie)[0, 2] > 0.8


def test_an_effect_that_cannot_be_told_is_undefined() -> None:
    rng, _, pairs = world(4, 50)
    said = judged(rng, pairs[:, 0])
    column = pairs[:, :1]
    twice = effects(np.column_stack([column, column]), said, np.arange(50))
    assert [found.value for found in twice] == [None, None]
    assert effects(column, said, np.zeros(50, np.int64))[0].value is None  # one prompt
    sure = Outcomes(first=np.ones(50), second=np.zeros(50), ties=np.zeros(50))
    assert effects(np.abs(column) + 1.0, sure, np.arange(50))[0].value is None


def test_an_effect_is_told_beside_two_columns_that_cannot_be_told_apart() -> None:
    rng, _, pairs = world(5, 400)
    said = judged(rng, 0.5 * pairs[:, 0] + 0.8 * pairs[:, 1], tie=-1.0)
    groups = np.arange(400)
    twice = np.column_stack([pairs[:, 0], -2.0 * pairs[:, 0], pairs[:, 1]])
    one, other, beside = effects(twice, said, groups)
    assert (one.value, other.value) == (None, None)
    _, alone = effects(pairs[:, :2], said, groups)
    assert beside.value == pytest.approx(alone.value, abs=1e-3)
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high), abs=1e-3)


@settings(deadline=None)
@given(st.floats(-800, 800), st.one_of(st.none(), st.floats(-50, 50)))
def test_chances_are_a_distribution_and_symmetric_however_far(
    difference: float, tie: float | None
) -> None:
    there = chances(np.array([difference]), tie)[0]
    back = chances(np.array([-difference]), tie)[0]
    assert there.sum() == pytest.approx(1.0)
    assert (there >= 0.0).all()
    assert there == pytest.approx(back[[1, 0, 2]])
    assert 0.0 <= curvature(np.array([difference]), tie)[0] <= 0.25 + 1e-12
