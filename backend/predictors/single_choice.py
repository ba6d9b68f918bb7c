"""What classifiers of one choice among labels have in common, whatever they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from backend.predictors.errors import TrainingError
from backend.predictors.protocol import ControlAnswers, Examples, ModelInput
from policies.conditions import ENTROPY, MARGIN
from policies.domain import FloatArray, IntArray
from policies.uncertainty import entropies, margins


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What is learned from: inputs, the column of each one's label, and how much each one counts.

    ``labels`` are the names of the columns, in order; the weights are 1 on average.
    """

    inputs: Sequence[ModelInput]
    labels: tuple[str, ...]
    codes: IntArray
    weights: FloatArray


def taught_by(examples: Examples) -> Taught:
    """The examples in columns; those that weigh nothing are left out.

    Raises
        TrainingError: columns of different lengths, a weight that is none, fewer than two labels.
    """
    inputs, answers = list(examples.inputs), list(examples.answers)
    weights = np.asarray(examples.weights, np.float64)
    if not len(inputs) == len(answers) == len(weights):
        raise TrainingError(
            f"{len(inputs)} inputs but {len(answers)} labels and {len(weights)} weights"
        )
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        bad = weights[~(np.isfinite(weights) & (weights >= 0.0))][0]
        raise TrainingError(f"the weight of an example is {bad}: it must be 0 or more")
    rows = np.flatnonzero(weights > 0.0).tolist()
    names = tuple(sorted({answers[row] for row in rows}))
    if len(names) < 2:
        seen = f"only {names[0]!r}" if names else "none"
        raise TrainingError(
            f"at least two different labels are needed to train, there is {seen}: "
            "label tasks of another class first"
        )
    column = {name: index for index, name in enumerate(names)}
    return Taught(
        inputs=[inputs[row] for row in rows],
        labels=names,
        codes=np.array([column[answers[row]] for row in rows], dtype=np.int64),
        weights=weights[rows] / weights[rows].mean(),
    )


def answers_by(labels: Sequence[str], probabilities: FloatArray) -> ControlAnswers:
    """The most probable label of each row, its probability, and how unsure the row is.

    A row of NaN has no answer: its text is None, its figures are NaN.
    """
    best = probabilities.argmax(axis=1)
    names = np.empty(len(labels), dtype=np.object_)
    names[:] = labels
    texts = names[best]
    texts[np.isnan(probabilities).any(axis=1)] = None
    return ControlAnswers(
        texts=texts,
        scores=probabilities[np.arange(len(best)), best],
        signals={MARGIN: margins(probabilities), ENTROPY: entropies(probabilities)},
        probabilities=probabilities,
    )


@cache
def use_one_thread() -> None:
    """Keep linear algebra of this process to one thread, once and for good.

    The matrices are small, and the other cores belong to other requests: on a busy machine its own
    threads wait for each other, and a training on 700 images takes 17 s instead of 1.5 s.
    """
    threadpool_limits(limits=1)
