from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from backend.predictors.rightness import fit_rightness, rightness


def test_without_rows_the_first_figure_stays_as_it_is() -> None:
    found = fit_rightness(np.empty((0, 2)), np.empty(0, bool), np.empty(0))
    assert found.tolist() == [0.0, 1.0, 0.0]
    assert rightness(np.array([[0.0, 5.0]]), found).tolist() == [0.5]


def test_many_rows_are_followed_as_by_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    figures = rng.normal(size=(5000, 2))
    right = rng.random(5000) < expit(0.5 + 2.0 * figures[:, 0] - figures[:, 1])
    found = fit_rightness(figures, right, np.ones(5000))
    peer = LogisticRegression(C=1e6).fit(figures, right)
    assert found == pytest.approx([peer.intercept_[0], *peer.coef_[0]], abs=0.01)


@given(
    rows=st.lists(st.tuples(st.floats(-50, 50), st.booleans()), max_size=30),
    with_offset=st.booleans(),
)
def test_probabilities_are_never_quite_sure(
    *, rows: list[tuple[float, bool]], with_offset: bool
) -> None:
    figures = np.array([[value] for value, _ in rows]).reshape(-1, 1)
    right = np.array([truth for _, truth in rows], bool)
    found = fit_rightness(figures, right, np.ones(len(rows)), with_offset=with_offset)
    assert np.isfinite(found).all()
    assert with_offset or found[0] == 0.0


def test_a_few_rows_that_are_all_right_do_not_make_it_sure() -> None:
    found = fit_rightness(np.full((5, 1), 1.0), np.ones(5, bool), np.ones(5))
    assert 0.7 < rightness(np.array([[1.0]]), found)[0] < 0.95
