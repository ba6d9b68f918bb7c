"""Labelgate's own models: one for each control of a project, under one version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

import numpy as np

from backend.embeddings.encoders import Space
from backend.predictors.controls_read import as_tables, modelled, with_prompt
from backend.predictors.foreign.predictor import Second, with_second
from backend.predictors.images.classifier import ImageModel
from backend.predictors.inputs import Inputs, read_inputs
from backend.predictors.learning_curve import LearningCurve
from backend.predictors.memory.kept import Memory
from backend.predictors.protocol import (
    Asked,
    ControlAnswers,
    ControlModel,
    ModelInput,
    Predicted,
    Predictor,
)
from backend.predictors.rewards.model import RewardModel
from backend.predictors.texts.classifier import TextModel
from backend.predictors.texts.members import Encoder
from connectors.label_studio.labeling import Control, ControlKind, InputKind
from policies.answer_texts import controls_of, controls_text
from policies.conditions import (
    ENTROPY,
    INTERVAL_WIDTH,
    LOWEST_REGION_SCORE,
    MARGIN,
    NOVELTY,
    REGION_COUNT,
)
from policies.decisions import is_none
from policies.domain import BoolArray, FloatArray, ObjectArray, column

Array = TypeVar("Array", FloatArray, ObjectArray)

_NO_VECTOR = "the text's embedding is not made yet: the next round of jobs makes it"
# How the figures of several controls are one figure of the task: the most doubtful one.
_MOST_DOUBTFUL: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    MARGIN: np.fmin,
    ENTROPY: np.fmax,
    REGION_COUNT: np.add,
    LOWEST_REGION_SCORE: np.fmin,
    INTERVAL_WIDTH: np.fmax,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedControl:
    """A control's model, and which kind of control and input it was trained for."""

    kind: ControlKind
    input_kind: InputKind
    model: ControlModel


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPredictor:
    """The models of a project by the names of its controls, with what they keep of the examples.

    ``fields`` are those of the tasks' data that it reads instead of what the project shows.
    ``prompt`` is the one that holds what both texts of a pair answer, where it is read.
    ``space`` is that of the sentence vectors that it reads, None where it reads none.
    ``forerunner`` is the version that served before, ``second`` another model that is asked too,
    where the policy looks at what they say.
    """

    version: str
    controls: Mapping[str, TrainedControl]
    fields: tuple[str, ...] = ()
    prompt: str | None = None
    memory: Memory = field(default_factory=Memory)
    space: Space | None = None
    forerunner: Predictor | None = None
    second: Second | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What the answers can be made of, over all controls, each once."""
        every = (label for each in self.controls.values() for label in each.model.labels)
        return tuple(dict.fromkeys(every))

    @property
    def learning(self) -> LearningCurve | None:
        """How the accuracy of the first control grew with its examples, where that was measured."""
        first = next(iter(self.controls.values())).model
        return first.learning if isinstance(first, (TextModel, ImageModel)) else None

    @property
    def needs_embeddings(self) -> bool:
        """Whether any of its models answers only with sentence vectors."""
        return any(_reads_vectors(each.model) for each in self.controls.values())

    def with_encoder(self, encode: Encoder) -> EmbeddedPredictor:
        """The same, able to have the vectors of what it is asked."""
        bound = {
            name: replace(each, model=each.model.with_encoder(encode))
            if isinstance(each.model, (TextModel, RewardModel))
            else each
            for name, each in self.controls.items()
        }
        return replace(self, controls=bound)

    def predict(self, asked: Asked) -> Predicted:
        """The answers of all controls as one; the task's score is that of its least sure control.

        A project whose controls are not those that were trained gets no answers, but what is to be
        done.
        """
        n, controls = len(asked.task_ids), asked.labeling.controls
        if self.fields:
            controls = as_tables(controls)
        left = [each.name for each in controls if each not in modelled(controls)]
        controls = with_prompt(modelled(controls), self.prompt)
        trained = self._for(controls)
        unfit = _unfit(trained, controls)
        if unfit is not None:
            return unanswered([unfit] * n)
        read = {
            each.name: read_inputs(each, asked.data, asked.download, self.fields)
            for each in controls
        }
        problems = _problems(list(read.values()), n)
        good = is_none(problems)
        if not good.any():
            return unanswered(problems)
        values = {name: _values(inputs, good) for name, inputs in read.items()}
        found = {name: trained[name].model.answers(values[name]) for name in values}
        joined = _beside(_joined(found), list(found), left)
        joined = self._with_novelty(joined, values[controls[0].name])
        said = _spread(joined, good, problems)
        return said if self.second is None else with_second(said, asked, self.second)

    def _for(self, controls: Sequence[Control]) -> Mapping[str, TrainedControl]:
        """The models by the names that the controls have now; an only one may be renamed."""
        if len(controls) == 1 and len(self.controls) == 1:
            (only,) = self.controls.values()
            return {controls[0].name: only}
        return self.controls

    def _with_novelty(self, said: ControlAnswers, values: Sequence[ModelInput]) -> ControlAnswers:
        """How far each task is from what the version was trained on, where it keeps that."""
        if self.memory.distances is None:
            return said
        novelties = self.memory.distances.novelties(values, said.scores)
        return replace(said, signals={**said.signals, NOVELTY: novelties})


def _reads_vectors(model: ControlModel) -> bool:
    return isinstance(model, (TextModel, RewardModel)) and model.needs_embeddings


def unanswered(problems: Sequence[str | None] | ObjectArray) -> Predicted:
    """No answer to any of the tasks, for these reasons."""
    n = len(problems)
    return Predicted(
        texts=np.full(n, None, dtype=np.object_),
        scores=np.full(n, np.nan),
        problems=column(list(problems)),
    )


def _unfit(trained: Mapping[str, TrainedControl], controls: Sequence[Control]) -> str | None:
    """Why the models do not answer what the project asks now; None where they do."""
    for control in controls:
        known = trained.get(control.name)
        if known is None:
            return f"the model was not trained for {control.name!r}: it has to be trained anew"
        if known.kind is not control.kind:
            return (
                f"the model answers {control.name!r} as {known.kind.value}, the project now asks "
                f"for {control.kind.value}: it has to be trained anew"
            )
        if _family(known.input_kind) is not _family(control.input_kind):
            return (
                f"the model reads {known.input_kind.value}, the project now shows "
                f"{control.input_kind.value}: it has to be trained anew"
            )
    return None


def _family(kind: InputKind) -> InputKind:
    """A model of texts reads hypertext, and the other way round."""
    return InputKind.TEXT if kind is InputKind.HYPERTEXT else kind


def _problems(read: Sequence[Inputs], n: int) -> ObjectArray:
    """What keeps each task from being read, by the first control that finds something."""
    problems = np.full(n, None, dtype=np.object_)
    for inputs in reversed(read):
        for place, problem in enumerate(inputs.problems):
            if problem is not None:
                problems[place] = problem
    return problems


def _values(inputs: Inputs, good: BoolArray) -> list[ModelInput]:
    return [
        value
        for value, usable in zip(inputs.values, good.tolist(), strict=True)
        if usable and value is not None
    ]


def _joined(found: Mapping[str, ControlAnswers]) -> ControlAnswers:
    """The answers of all controls as one; none where one of them has none."""
    if len(found) == 1:
        (only,) = found.values()
        return only
    names = sorted(found)
    columns = zip(*(found[name].texts.tolist() for name in names), strict=True)
    texts = [
        None if None in row else controls_text(dict(zip(names, row, strict=True)))
        for row in columns
    ]
    combined: dict[str, FloatArray] = {}
    for answers in found.values():
        for name, values in answers.signals.items():
            other = combined.get(name)
            combined[name] = values if other is None else _MOST_DOUBTFUL[name](other, values)
    return ControlAnswers(
        texts=column(texts),
        scores=np.min([answers.scores for answers in found.values()], axis=0),
        signals=combined,
        part_scores=_joined_parts([found[name].part_scores for name in names]),
    )


def _beside(found: ControlAnswers, names: Sequence[str], left: Sequence[str]) -> ControlAnswers:
    """The answers with the controls that were left to people unanswered, as people leave them."""
    if not left:
        return found
    others: dict[str, str | None] = dict.fromkeys(left)
    texts = [
        controls_text((controls_of(text) if len(names) > 1 else {names[0]: text}) | others)
        for text in found.texts.tolist()
    ]
    return replace(found, texts=column(texts))


def _joined_parts(parts: Sequence[ObjectArray | None]) -> ObjectArray | None:
    """One after the other; a control whose answers have no parts adds none."""
    with_parts = [each.tolist() for each in parts if each is not None]
    if not with_parts:
        return None
    return column([tuple(chain.from_iterable(row)) for row in zip(*with_parts, strict=True)])


def _spread(found: ControlAnswers, good: BoolArray, problems: ObjectArray) -> Predicted:
    """The answers to the readable tasks as columns of all tasks."""
    parts, rows = found.part_scores, found.probabilities
    why, waits = problems.copy(), good.copy()
    waits[good] = is_none(found.texts)
    why[waits] = _NO_VECTOR
    return Predicted(
        texts=_placed(found.texts, good, None),
        scores=_placed(found.scores, good, np.nan),
        problems=why,
        signals={name: _placed(each, good, np.nan) for name, each in found.signals.items()},
        part_scores=None if parts is None else _placed(parts, good, None),
        probabilities=None if rows is None else _placed(rows, good, np.nan),
    )


def _placed(values: Array, good: BoolArray, empty: float | None) -> Array:
    """The values at the places that are good, ``empty`` at the others."""
    if len(values) == len(good):
        return values
    placed = np.full((len(good), *values.shape[1:]), empty, dtype=values.dtype)
    placed[good] = values
    return placed
