from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from backend.predictors.tables.trees import (
    binned,
    bins_of,
    grow_classes,
    trees_as_plain,
    trees_from_plain,
    trees_of,
)
from policies.domain import FloatArray
from tests.fakes.model_files import through_file


def drawn(rows: int, seed: int, codes: int) -> FloatArray:
    """Two columns of codes (one of even ones alone) and two of numbers, a tenth missing."""
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            rng.integers(0, codes, rows) // 2 * 2,
            rng.integers(0, codes, rows),
            rng.normal(size=rows),
            np.round(rng.normal(size=rows)),
        ]
    ).astype(np.float64)
    matrix[:, 2:][rng.random((rows, 2)) < 0.1] = np.nan
    return matrix


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(5, 400),
    seed=st.integers(0, 10_000),
    codes=st.integers(2, 250),
    classes=st.sampled_from([0, 2, 3]),
)
def test_trees_say_what_scikit_learn_says(rows: int, seed: int, codes: int, classes: int) -> None:
    matrix = drawn(rows, seed, codes)
    told = np.nan_to_num(matrix[:, 1] % 3 + matrix[:, 2], nan=1.0)
    kinds = {"max_iter": 8, "min_samples_leaf": 1, "categorical_features": [0, 1]}
    grown: Any
    targets: Any
    if classes:
        targets = (told * 7).astype(np.int64) % classes
        targets[:classes] = np.arange(classes)
        grown = HistGradientBoostingClassifier(early_stopping=False, **kinds)
    else:
        targets = told
        grown = HistGradientBoostingRegressor(early_stopping=False, **kinds)
    bins = bins_of(matrix, 2)
    grown.fit(binned(matrix, bins), targets)
    asked = drawn(300, seed + 1, 250)
    asked[::7, :2] = np.nan
    numbers = binned(asked, bins)
    wanted = grown.decision_function(numbers) if classes else grown.predict(numbers)
    trees = trees_from_plain(through_file(trees_as_plain(trees_of(grown, bins))))
    assert trees.values(asked) == pytest.approx(wanted.reshape(300, -1), abs=1e-9)


def test_a_missing_category_is_told_from_all_others() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 4, (200, 2)).astype(np.float64)
    matrix[rng.random(matrix.shape) < 0.4] = np.nan
    codes = np.isnan(matrix[:, 0]).astype(np.int64) + (matrix[:, 1] == 2)
    trees = grow_classes(matrix, codes, np.ones(200), categorical=2, seed=0)
    assert (trees.values(matrix).argmax(axis=1) == codes).all()


def test_a_column_without_any_value_is_no_trouble() -> None:
    matrix = np.column_stack([np.full(20, np.nan), np.arange(20.0)])
    codes = (np.arange(20) > 9).astype(np.int64)
    trees = grow_classes(matrix, codes, np.ones(20), categorical=0, seed=0)
    assert ((trees.values(matrix)[:, 0] > 0) == codes).all()
    assert trees.values(np.empty((0, 2))).shape == (0, 1)
