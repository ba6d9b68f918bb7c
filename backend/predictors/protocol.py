"""What every model offers, whoever made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from connectors.label_studio.labeling import Labeling
from policies.domain import FloatArray, ObjectArray

# The columns of a task whose data are a table's row; a column that is not there is None.
Row = Mapping[str, float | str | bool | None]
# The two texts of a pair, left and right; and the prompt that both answer, where it is read.
Pair = tuple[str, str] | tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The texts of a list's items by id; ``prompt`` is what they answer, "" where none is read."""

    items: Mapping[str, str]
    prompt: str = ""


# One model input: a text, a decoded image as a float array, a row of columns, a pair of texts, or
# the items of a list (see ``backend.predictors.inputs``).
ModelInput = str | FloatArray | Row | Pair | Listed

# Called with the share that is done, 0 to 1; where it raises, the training ends.
Progress = Callable[[float], None]


def no_progress(share: float) -> None:
    """Nobody watches."""
    del share


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswers:
    """One control's answers to a batch, in columns of one length.

    ``texts`` are answers as ``policies.answer_texts`` writes them, ``scores`` the calibrated
    probability that the whole answer is right (exactly, or for numbers within the tolerance).
    ``signals`` are figures that come with them, by their names in ``policies.conditions``, NaN
    where unknown. ``part_scores`` has, for answers of several parts (labels of a set, spans), one
    tuple of probabilities a task, in the order in which the parts stand in the text; None where
    the answers have no parts. ``probabilities`` (n, k) of the model's labels, in their order, are
    there where an answer is one of them.
    """

    texts: ObjectArray
    scores: FloatArray
    signals: Mapping[str, FloatArray] = field(default_factory=dict)
    part_scores: ObjectArray | None = None
    probabilities: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """What one control is learned from: inputs, people's answers as texts, and their weights."""

    inputs: Sequence[ModelInput]
    answers: Sequence[str]
    weights: FloatArray

    @staticmethod
    def alike(inputs: Sequence[ModelInput], answers: Sequence[str]) -> Examples:
        """Examples of one weight."""
        return Examples(inputs=inputs, answers=answers, weights=np.ones(len(answers)))


class ControlModel(Protocol):
    """A trained model of one control of a labelling config."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, paths or values that its answers can be made of; () where any number is."""

    def answers(self, inputs: Sequence[ModelInput]) -> ControlAnswers:
        """The answer to each input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The tasks of a project that answers are asked for; ``task_ids`` and ``data`` in one order.

    ``label_config`` is the text that ``labeling`` was read from, ``download`` reads a file that was
    uploaded to Label Studio.
    """

    labeling: Labeling
    label_config: str
    task_ids: Sequence[int]
    data: Sequence[Mapping[str, Any]]
    download: Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A project's answers to a batch, in columns of the asked tasks' length and order.

    As ``ControlAnswers``, for all controls of the project together; where a task has no answer its
    text is None, its score and its probabilities NaN, and ``problems`` says why (None elsewhere).
    The part scores of several controls stand one after the other, by the controls' names.
    """

    texts: ObjectArray
    scores: FloatArray
    problems: ObjectArray
    signals: Mapping[str, FloatArray] = field(default_factory=dict)
    part_scores: ObjectArray | None = None
    probabilities: FloatArray | None = None


class Predictor(Protocol):
    """Whoever answers the tasks of a project, under a version."""

    @property
    def version(self) -> str:
        """The model version, the very string that Label Studio is told."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What its answers can be made of; one per column of ``probabilities``."""

    def predict(self, asked: Asked) -> Predicted:
        """The answers to a batch; a task that cannot be answered is a problem of its own.

        Raises
            AnnotationToolUnavailableError: Label Studio is down while an uploaded file is needed.
        """
