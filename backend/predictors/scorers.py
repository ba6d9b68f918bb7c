"""What is learned from a matrix of inputs: figures in columns, linear for all but table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression, Ridge

from backend.predictors.encoders import Encoder, Matrix, as_if_unseen, fit_encoder
from backend.predictors.protocol import Examples
from backend.predictors.single_choice import use_one_thread
from backend.predictors.tables.columns import TableColumns
from backend.predictors.tables.trees import (
    Trees,
    grow_classes,
    grow_numbers,
    trees_as_plain,
    trees_from_plain,
)
from policies.domain import BoolArray, FloatArray, IntArray

# Inverse regularisation of a label's regression: of 1, 3 and 10 this gave the best micro-F1 on
# goemotions (0.561, 0.572, 0.564 with one threshold for all labels).
_STRENGTH = 3.0


class Scorer(Protocol):
    """A fitted function of matrices."""

    def values(self, matrix: Matrix) -> FloatArray:
        """An array (rows, outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Coefficients (columns of the matrix, outputs) and intercepts (outputs)."""

    coefficients: NDArray[np.float32]
    intercepts: FloatArray

    def values(self, matrix: Matrix) -> FloatArray:
        """An array (rows, outputs)."""
        values: FloatArray = np.asarray(matrix @ self.coefficients, np.float64) + self.intercepts
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees of one output each, side by side."""

    trees: tuple[Trees, ...]

    def values(self, matrix: Matrix) -> FloatArray:
        """An array (rows, outputs)."""
        return np.column_stack([each.values(np.asarray(matrix)) for each in self.trees])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What is learned from, but for the answers: inputs as a matrix, weights, and the seed."""

    encoder: Encoder
    matrix: Matrix
    weights: FloatArray
    seed: int

    @property
    def categorical(self) -> int:
        """How many of the first columns are codes of categories."""
        return self.encoder.categorical if isinstance(self.encoder, TableColumns) else 0

    def of(self, rows: IntArray) -> Lessons:
        """Some of the rows."""
        return replace(self, matrix=self.matrix[rows], weights=self.weights[rows])

    def without(self, training: IntArray, held_out: IntArray) -> tuple[Lessons, Matrix]:
        """The training rows, and the held-out ones as what is learned from those will see them."""
        trained, kept_out = as_if_unseen(self.matrix, training, held_out)
        return replace(self, matrix=trained, weights=self.weights[training]), kept_out


def lessons_of(examples: Examples, *, outputs: int = 1, seed: int) -> Lessons:
    """The inputs of at least one example, in numbers.

    Raises
        TrainingError: they tell nothing.
    """
    encoder = fit_encoder(examples.inputs, outputs=outputs, seed=seed)
    matrix = encoder.encode(examples.inputs)
    return Lessons(encoder=encoder, matrix=matrix, weights=examples.weights, seed=seed)


def fit_labels(lessons: Lessons, truths: BoolArray) -> Scorer:
    """The log odds of each label (a column of ``truths``), every label for itself."""
    use_one_thread()
    if isinstance(lessons.encoder, TableColumns):
        return Forest(trees=tuple(_label_trees(lessons, column) for column in truths.T))
    matrix, weights = lessons.matrix, lessons.weights
    coefficients = np.zeros((matrix.shape[1], truths.shape[1]), np.float32)
    intercepts = np.zeros(truths.shape[1])
    for place, column in enumerate(truths.T):
        if column.all() or not column.any():
            intercepts[place] = _odds(column, weights)
            continue
        fitted = LogisticRegression(
            C=_STRENGTH, solver="liblinear", tol=1e-2, max_iter=1000, random_state=lessons.seed
        ).fit(matrix, column, sample_weight=weights)
        coefficients[:, place] = fitted.coef_[0]
        intercepts[place] = fitted.intercept_[0]
    return Linear(coefficients=coefficients, intercepts=intercepts)


def fit_number(lessons: Lessons, targets: FloatArray, ridge: float) -> Scorer:
    """One output: the number that an input stands for, by least squares; trees need no ridge."""
    use_one_thread()
    if isinstance(lessons.encoder, TableColumns):
        return Forest(
            trees=(
                grow_numbers(
                    np.asarray(lessons.matrix),
                    targets,
                    lessons.weights,
                    categorical=lessons.categorical,
                    seed=lessons.seed,
                ),
            )
        )
    fitted = Ridge(alpha=ridge, tol=1e-6, random_state=lessons.seed)
    fitted.fit(lessons.matrix, targets, sample_weight=lessons.weights)
    return Linear(
        coefficients=fitted.coef_.reshape(-1, 1).astype(np.float32),
        intercepts=np.array([float(fitted.intercept_)]),
    )


def scorer_as_plain(scorer: Scorer) -> dict[str, Any]:
    """The scorer in arrays, for a model file."""
    match scorer:
        case Linear(coefficients=coefficients, intercepts=intercepts):
            return {"coefficients": coefficients, "intercepts": intercepts}
        case Forest(trees=trees):
            return {"trees": [trees_as_plain(each) for each in trees]}
        case other:
            raise TypeError(f"no form to keep {type(other).__name__} in")


def scorer_from_plain(values: Mapping[str, Any]) -> Scorer:
    """What ``scorer_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    if "trees" in values:
        return Forest(trees=tuple(trees_from_plain(each) for each in _list(values["trees"])))
    coefficients = np.asarray(values["coefficients"], np.float32)
    intercepts = np.asarray(values["intercepts"], np.float64)
    if coefficients.ndim != 2 or coefficients.shape[1:] != intercepts.shape:
        raise ValueError("coefficients and intercepts of different outputs")
    return Linear(coefficients=coefficients, intercepts=intercepts)


def _label_trees(lessons: Lessons, column: BoolArray) -> Trees:
    if column.all() or not column.any():
        return _no_trees(_odds(column, lessons.weights))
    return grow_classes(
        np.asarray(lessons.matrix),
        column.astype(np.int64),
        lessons.weights,
        categorical=lessons.categorical,
        seed=lessons.seed,
    )


def _no_trees(value: float) -> Trees:
    """One leaf that says the same of all rows."""
    return Trees(
        start=np.array([value]),
        roots=np.zeros((1, 1), np.int64),
        column=np.array([-1]),
        limit=np.zeros(1),
        missing_left=np.zeros(1, np.bool_),
        left=np.zeros(1, np.int64),
        right=np.zeros(1, np.int64),
        value=np.zeros(1),
        choice=np.array([-1]),
        choices=np.zeros((0, 256), np.bool_),
    )


def _odds(column: BoolArray, weights: FloatArray) -> float:
    """The log odds of a label that all examples have, or none."""
    share = (float(weights[column].sum()) + 0.5) / (float(weights.sum()) + 1.0)
    return float(logit(share))


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not a {type(value).__name__}")
    return value
