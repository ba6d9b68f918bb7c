from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from backend.predictors.spans.platt import Platt, fit_platt, log_odds_of


def test_it_is_logistic_regression_where_rows_are_many() -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(1, 2, 5000)
    right = rng.uniform(size=5000) < expit(0.5 * log_odds - 0.7)
    found = fit_platt(log_odds, right, np.ones(5000))
    oracle = LogisticRegression(C=1e6).fit(log_odds[:, None], right)
    assert found.slope == pytest.approx(float(oracle.coef_[0, 0]), abs=0.01)
    assert found.intercept == pytest.approx(float(oracle.intercept_[0]), abs=0.01)


def test_a_row_of_weight_two_is_two_rows() -> None:
    log_odds, right = np.array([0.3, 2.0, -1.0]), np.array([True, False, False])
    one = fit_platt(log_odds, right, np.array([2.0, 1.0, 1.0]))
    two = fit_platt(log_odds[[0, 0, 1, 2]], right[[0, 0, 1, 2]], np.ones(4))
    assert one.slope == pytest.approx(two.slope, abs=1e-4)
    assert one.intercept == pytest.approx(two.intercept, abs=1e-4)


def test_nothing_held_out_leaves_all_as_it_is() -> None:
    assert fit_platt(np.empty(0), np.empty(0, bool), np.empty(0)) == Platt()


def test_a_few_right_answers_do_not_make_certainty() -> None:
    found = fit_platt(np.array([1.0, 2.0, 1.5]), np.ones(3, bool), np.ones(3))
    assert found.probabilities(np.array([2.0]))[0] < 0.99


def test_a_ranking_is_never_turned_round() -> None:
    log_odds = np.linspace(-3, 3, 200, dtype=np.float64)
    found = fit_platt(log_odds, log_odds < 0, np.ones(200))
    assert (np.diff(found.probabilities(log_odds)) > 0).all()


def test_log_odds_are_finite_everywhere() -> None:
    found = log_odds_of(np.array([0.0, np.log(0.5), -1e6]))
    assert found[1] == pytest.approx(0.0)
    assert np.isfinite(found).all()
    assert found[0] > 20 > -20 > found[2]
