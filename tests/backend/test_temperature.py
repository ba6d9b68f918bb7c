"""Temperatures: one number a model, that makes its confidence honest."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from backend.predictors.temperature import (
    fit_inverse_temperature,
    fit_weights,
    logits,
    scaled_probabilities,
)
from policies.domain import FloatArray, IntArray


def test_the_temperature_is_that_of_scikit_learn() -> None:
    features, codes = make_classification(3000, n_classes=3, n_informative=6, random_state=0)
    folds = StratifiedKFold(5)
    oracle = CalibratedClassifierCV(
        LogisticRegression(C=100.0), method="temperature", ensemble=False, cv=folds
    ).fit(features, codes)
    held_out = cross_val_predict(
        LogisticRegression(C=100.0), features, codes, cv=folds, method="decision_function"
    )
    inverse_temperature = fit_inverse_temperature(held_out, codes)
    plain = LogisticRegression(C=100.0).fit(features, codes)
    ours = scaled_probabilities(plain.decision_function(features), inverse_temperature)
    # Platt's smoothed targets move it by a trifle at 3,000 rows.
    assert np.allclose(ours, oracle.predict_proba(features), atol=2e-3)


def test_a_few_right_answers_do_not_make_certainty() -> None:
    decision = np.array([[2.0, -2.0], [-2.0, 2.0], [3.0, -3.0], [-1.0, 1.0]])
    inverse_temperature = fit_inverse_temperature(decision, np.array([0, 1, 0, 1]))
    assert scaled_probabilities(decision, inverse_temperature).max() < 0.99


def test_overconfidence_is_cooled() -> None:
    rng = np.random.default_rng(0)
    decision = rng.normal(0.0, 5.0, (2000, 4))
    codes = np.where(rng.uniform(size=2000) < 0.6, decision.argmax(axis=1), rng.integers(0, 4))
    assert fit_inverse_temperature(decision, codes) < 0.5


def test_no_held_out_rows_leave_the_confidence_as_it_is() -> None:
    assert fit_inverse_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == 1.0


def test_a_two_class_decision_becomes_two_logits() -> None:
    assert np.array_equal(logits(np.array([1.5, -2.0])), [[-1.5, 1.5], [2.0, -2.0]])


def decisions(seed: int, sharpness: float) -> tuple[FloatArray, IntArray]:
    """Logits that know something of their codes."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, 3_000)
    return sharpness * (2 * np.eye(4)[codes] + rng.normal(0, 1, (3_000, 4))), codes


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 8.0])
def test_one_models_weight_is_its_inverse_temperature(sharpness: float) -> None:
    values, codes = decisions(0, sharpness)
    (weight,), _ = fit_weights([values], codes, np.ones(len(codes)))
    assert weight == pytest.approx(fit_inverse_temperature(values, codes), rel=1e-3)
    # Of normal noise with variance 1 around 2 and 0 the log odds are twice the values.
    assert weight * sharpness == pytest.approx(2.0, rel=0.1)


def test_models_weigh_by_what_they_add() -> None:
    rng = np.random.default_rng(1)
    values, codes = decisions(0, 1.0)
    other = 2 * np.eye(4)[codes] + rng.normal(0, 1, values.shape)
    noise = rng.normal(0, 1, values.shape)
    weights, loss = fit_weights([values, noise, other], codes, np.ones(len(codes)))
    assert weights[[0, 2]].tolist() == pytest.approx([2.0, 2.0], rel=0.1)
    assert weights[1] < 0.05
    assert loss < fit_weights([values], codes, np.ones(len(codes)))[1]


def test_a_row_that_weighs_two_counts_as_two_rows() -> None:
    values, codes = decisions(0, 1.0)
    row_weights = np.where(np.arange(len(codes)) < 1_000, 2.0, 1.0)
    twice = np.concatenate([np.arange(1_000), np.arange(len(codes))])
    (one,), _ = fit_weights([values], codes, row_weights)
    (two,), _ = fit_weights([values[twice]], codes[twice], np.ones(len(twice)))
    assert one == pytest.approx(two, rel=1e-2)
