"""A version of a foreign model: its answers, checked, and scored as the version's lineage says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backend.predictors.foreign.recalibration import UNCALIBRATED, Calibration
from backend.predictors.foreign.results import unusable
from backend.predictors.foreign.source import ModelUnavailableError, Source, unanswered
from backend.predictors.protocol import Asked, Predicted
from policies.conditions import MODEL_DISAGREEMENT
from policies.decisions import is_none
from policies.domain import BoolArray, FloatArray, ObjectArray
from policies.likeness import Likeness, aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """Another model that is asked beside the first, and when the answers of both are the same."""

    source: Source
    likeness: Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPredictor:
    """One version; ``reported`` is what the model itself calls it.

    Where the model says another version now, its answers are not this version's and do not count:
    what was proved of this one says nothing about them.
    """

    version: str
    labels: tuple[str, ...]
    source: Source
    reported: str
    calibration: Calibration = UNCALIBRATED
    second: Second | None = None

    def predict(self, asked: Asked) -> Predicted:
        """An answer or a problem for each task. Never raises for what the model does."""
        n = len(asked.task_ids)
        if n == 0:
            return unanswered(0, "")
        try:
            now = self.source.reported(asked.label_config)
        except ModelUnavailableError as error:
            return unanswered(n, str(error))
        if now != self.reported:
            return unanswered(n, self._changed(now))
        said = self.source.answers(asked)
        if is_none(said.texts).all():
            return said
        try:
            after = self.source.reported(asked.label_config)
        except ModelUnavailableError:  # it has answered, and nothing says that it has changed
            after = now
        if after != self.reported:
            return unanswered(n, self._changed(after))
        said = checked(asked, said, self.calibration)
        return said if self.second is None else with_second(said, asked, self.second)

    def _changed(self, now: str) -> str:
        return (
            f"the model {self.source.name} answers as version {now!r} now, and {self.version} "
            f"stands for {self.reported!r}: the next round takes the new one up"
        )


def with_second(said: Predicted, asked: Asked, second: Second) -> Predicted:
    """Answers of any model with the signal ``model_disagreement``: a second one was asked too.

    It has no say in the answer. Where it has none itself, the first one's does not count: a task
    that both might have judged differently must not be accepted because one of them was down.
    """
    rows = np.flatnonzero(~is_none(said.texts))
    differs = np.full(len(asked.task_ids), np.nan)
    problems = said.problems.copy()
    if len(rows):
        fewer = part_of_asked(asked, rows.tolist())
        other = checked(fewer, second.source.answers(fewer), UNCALIBRATED)
        known = ~is_none(other.texts)
        first = said.texts[rows[known]]
        differs[rows[known]] = aligned(other.texts[known], first, second.likeness) != first
        for place, problem in zip(rows[~known], other.problems[~known], strict=True):
            problems[place] = f"the second model: {problem}"
    return without(replace(said, signals={**said.signals, MODEL_DISAGREEMENT: differs}), problems)


def checked(asked: Asked, said: Predicted, calibration: Calibration) -> Predicted:
    """The answers that the labelling config offers, with calibrated scores."""
    problems = said.problems.copy()
    for place, text in enumerate(said.texts):
        if text is not None:
            problems[place] = unusable(asked.labeling, text)
    return without(replace(said, scores=calibration(said.scores)), problems)


def without(said: Predicted, problems: ObjectArray) -> Predicted:
    """The answers but for those of tasks that have a problem."""
    bad = ~is_none(problems)
    parts = said.part_scores
    return replace(
        said,
        texts=_where(bad, None, said.texts),
        scores=np.where(bad, np.nan, said.scores),
        problems=problems,
        signals={name: _masked(bad, values) for name, values in said.signals.items()},
        part_scores=None if parts is None else _where(bad, None, parts),
    )


def part_of_asked(asked: Asked, rows: list[int]) -> Asked:
    """The same question about some of its tasks, by their places."""
    return replace(
        asked,
        task_ids=[asked.task_ids[row] for row in rows],
        data=[asked.data[row] for row in rows],
    )


def _where(rows: BoolArray, value: object, values: ObjectArray) -> ObjectArray:
    made = values.copy()
    made[rows] = value
    return made


def _masked(rows: BoolArray, values: FloatArray) -> FloatArray:
    made: FloatArray = np.where(rows, np.nan, values)
    return made
