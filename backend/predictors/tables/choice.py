"""One choice on rows of a table: gradient-boosted trees over the columns, calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from backend.predictors.errors import TrainingError
from backend.predictors.folds import folds
from backend.predictors.protocol import ControlAnswers, Examples, ModelInput, Progress, no_progress
from backend.predictors.rightness import fit_rightness, rightness
from backend.predictors.single_choice import use_one_thread
from backend.predictors.tables.columns import (
    TableColumns,
    columns_as_plain,
    columns_from_plain,
    fit_columns,
)
from backend.predictors.tables.trees import Trees, grow_classes, trees_as_plain, trees_from_plain
from backend.predictors.temperature import fit_inverse_temperature, logits, scaled_probabilities
from policies.conditions import ENTROPY, MARGIN
from policies.domain import FloatArray, IntArray
from policies.uncertainty import entropies, margins

_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoice:
    """Trained trees, their class names in column order, and their calibration.

    One temperature is for all probabilities; ``by_score`` are Platt's coefficients for the best of
    them: trees are sure of more than they know, in ways that a temperature alone does not mend.
    """

    labels: tuple[str, ...]
    columns: TableColumns
    trees: Trees
    inverse_temperature: float
    by_score: FloatArray

    def probabilities(self, inputs: Sequence[ModelInput]) -> FloatArray:
        """Calibrated probabilities (inputs, labels); every row sums to 1."""
        if not inputs:
            return np.empty((0, len(self.labels)))
        decisions = _decisions(self.trees, self.columns.encode(inputs))
        return scaled_probabilities(decisions, self.inverse_temperature)

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The likeliest label of each row."""
        probabilities = self.probabilities(inputs)
        names = np.array(self.labels, object)
        return ControlAnswers(
            texts=names[probabilities.argmax(axis=1)],
            scores=rightness(_figures(probabilities), self.by_score),
            signals={MARGIN: margins(probabilities), ENTROPY: entropies(probabilities)},
        )


def fit_table_choice(
    examples: Examples, *, seed: int, progress: Progress = no_progress
) -> TableChoice:
    """Train on rows, each with one label.

    A label of a single example is learned, but takes no part in the calibration.

    Raises
        TrainingError: fewer than two labels, or no column tells anything.
    """
    labels = tuple(sorted(set(examples.answers)))
    if len(labels) < 2:
        seen = f"only {labels[0]!r}" if labels else "none"
        raise TrainingError(
            f"at least two different labels are needed to train, there is {seen}: "
            "label tasks of another class first"
        )
    use_one_thread()
    place = {label: index for index, label in enumerate(labels)}
    codes = np.array([place[answer] for answer in examples.answers], np.int64)
    columns = fit_columns([row for row in examples.inputs if isinstance(row, Mapping)])
    matrix = columns.encode(examples.inputs)
    decisions: list[FloatArray] = [np.empty((0, len(labels)))]
    rows: list[IntArray] = [np.empty(0, np.int64)]
    parts = list(folds(codes, seed))
    for done, (training, held_out) in enumerate(parts):
        progress(done / (len(parts) + 1))
        trees = grow_classes(
            matrix[training],
            codes[training],
            examples.weights[training],
            categorical=columns.categorical,
            seed=seed,
        )
        decisions.append(_decisions(trees, matrix[held_out]))
        rows.append(held_out)
    trees = grow_classes(
        matrix, codes, examples.weights, categorical=columns.categorical, seed=seed
    )
    told, held = np.concatenate(decisions), np.concatenate(rows)
    inverse_temperature = fit_inverse_temperature(told, codes[held])
    probabilities = scaled_probabilities(told, inverse_temperature)
    right = probabilities.argmax(axis=1) == codes[held]
    by_score = fit_rightness(_figures(probabilities), right, examples.weights[held])
    progress(1.0)
    return TableChoice(
        labels=labels,
        columns=columns,
        trees=trees,
        inverse_temperature=inverse_temperature,
        by_score=by_score,
    )


def table_choice_as_plain(model: TableChoice) -> dict[str, Any]:
    """The model in arrays and plain values, for a model file."""
    return {
        "labels": list(model.labels),
        "columns": columns_as_plain(model.columns),
        "trees": trees_as_plain(model.trees),
        "inverse_temperature": model.inverse_temperature,
        "by_score": model.by_score,
    }


def table_choice_from_plain(values: Mapping[str, Any]) -> TableChoice:
    """What ``table_choice_as_plain`` wrote; KeyError, TypeError or ValueError where it is none."""
    labels = tuple(map(str, values["labels"]))
    trees = trees_from_plain(values["trees"])
    if len(trees.start) != (1 if len(labels) == 2 else len(labels)):
        raise ValueError(f"{len(labels)} labels, but trees of {len(trees.start)} outputs")
    by_score = np.asarray(values["by_score"], np.float64)
    if by_score.shape != (2,):
        raise ValueError("the calibration has another form")
    return TableChoice(
        labels=labels,
        columns=columns_from_plain(values["columns"]),
        trees=trees,
        inverse_temperature=float(values["inverse_temperature"]),
        by_score=by_score,
    )


def _decisions(trees: Trees, matrix: FloatArray) -> FloatArray:
    values = trees.values(matrix)
    # Of two classes there is one output, the log odds of the second.
    return logits(values[:, 0] / 2.0) if values.shape[1] == 1 else values


def _figures(probabilities: FloatArray) -> FloatArray:
    """What tells how sure an answer is: the log odds of the best probability."""
    if not len(probabilities):
        return np.empty((0, 1))
    best = np.clip(probabilities.max(axis=1), _TINY, 1.0 - _TINY)
    odds: FloatArray = logit(best)[:, None]
    return odds
