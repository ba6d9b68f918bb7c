"""Answering ``/predict``: a pre-label for each task that may show one, nothing for all others.

Reads a task's id and data only. Whatever annotations and predictions come along are never looked
at: a model that saw people's answers would be measured against itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.predictors.inputs import Download, read_inputs
from backend.predictors.protocol import ModelInput, Predictor
from backend.serving import Snapshot
from connectors.label_studio.convert import choice_result
from connectors.label_studio.labeling import Labeling
from policies.domain import Candidates, ObjectArray, Purpose
from policies.engine import decide
from policies.schema import Policy

_LARGEST_ID = 2**63 - 1  # ids are kept in 64 bits

# What Label Studio stores nothing for, and logs no error (1.23.2, ``ml/models.py``).
NOTHING: list[Any] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProblem:
    """A task that got no answer because of itself; ``index`` is its place in the batch."""

    index: int
    task_id: int | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """``results`` has one entry a task, in their order: a prediction, or an empty list."""

    results: list[Any]
    problems: list[TaskProblem]
    predicted: int
    blind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readable:
    """The tasks of a batch that are tasks, in columns of one length."""

    indices: list[int]
    task_ids: list[int]
    data: list[dict[str, Any]]


def answer(
    snapshot: Snapshot, labeling: Labeling, tasks: Sequence[Any], download: Download
) -> Answers:
    """The answer to one batch, all of it from one model version.

    ``labeling`` is the config that Label Studio asks with. Raises what ``read_inputs`` raises:
    Label Studio is down while an uploaded file is needed.
    """
    results: list[Any] = [NOTHING] * len(tasks)
    readable, problems = _readable(tasks)
    if snapshot.predictor is None or not readable.indices:
        return Answers(results=results, problems=problems, predicted=0, blind=0)

    candidates = predicted_candidates(
        snapshot.policy, labeling, snapshot.predictor, (readable.task_ids, readable.data), download
    )
    certificate = None if snapshot.certificate is None else snapshot.certificate.certificate
    decisions = decide(
        snapshot.policy, candidates, certificate, model_version=snapshot.model_version
    )

    made = _results_by_label(labeling, snapshot.predictor)
    blind = predicted = 0
    for index, task_id, problem, purpose, label, score in zip(
        readable.indices,
        readable.task_ids,
        candidates.problems,
        decisions.purposes,
        candidates.labels,
        candidates.scores.tolist(),
        strict=True,
    ):
        if problem is not None:
            problems.append(TaskProblem(index=index, task_id=task_id, message=problem))
        elif purpose is not Purpose.ROUTED:
            blind += 1
        elif label in made:
            results[index] = {
                "result": made[label],
                "score": score,
                "model_version": snapshot.model_version,
            }
            predicted += 1
    return Answers(results=results, problems=problems, predicted=predicted, blind=blind)


def predicted_candidates(
    policy: Policy,
    labeling: Labeling,
    predictor: Predictor,
    tasks: tuple[Sequence[int], Sequence[dict[str, Any]]],
    download: Download,
) -> Candidates:
    """Tasks as (ids, data) with the model's answers, in the form that the policy decides on.

    The label is the most probable class, the score its calibrated probability.
    """
    task_ids, data = tasks
    inputs = read_inputs(labeling, data, download)
    values: list[ModelInput] = [value for value in inputs.values if value is not None]
    good = np.array([value is not None for value in inputs.values], dtype=np.bool_)
    labels = np.full(len(data), None, dtype=np.object_)
    scores = np.full(len(data), np.nan)
    if values:
        probabilities = predictor.probabilities(values)
        best = probabilities.argmax(axis=1)
        labels[good] = np.array(predictor.labels, dtype=np.object_)[best]
        scores[good] = probabilities[np.arange(len(values)), best]
    return Candidates(
        task_ids=np.array(task_ids, dtype=np.int64),
        labels=labels,
        scores=scores,
        problems=_column(inputs.problems),
        fields={
            field: _column([task_data.get(field) for task_data in data])
            for field in policy.fields_used()
        },
    )


def _readable(tasks: Sequence[Any]) -> tuple[_Readable, list[TaskProblem]]:
    readable = _Readable(indices=[], task_ids=[], data=[])
    problems: list[TaskProblem] = []
    for index, task in enumerate(tasks):
        task_id = task.get("id") if isinstance(task, dict) else None
        # type(): JSON's true is an int for isinstance.
        known = task_id if type(task_id) is int and 0 < task_id <= _LARGEST_ID else None
        if not isinstance(task, dict):
            message = f"a task must be an object, not {type(task).__name__}"
        elif known is None:
            message = "id must be a whole number above 0"
        elif not isinstance(task.get("data"), dict):
            message = "data must be an object"
        else:
            readable.indices.append(index)
            readable.task_ids.append(known)
            readable.data.append(task["data"])
            continue
        problems.append(TaskProblem(index=index, task_id=known, message=message))
    return readable, problems


def _results_by_label(labeling: Labeling, predictor: Predictor) -> dict[str, list[dict[str, Any]]]:
    """The result JSON of every label that the model knows and the config offers."""
    known = set(predictor.labels)
    return {label: choice_result(labeling, label) for label in labeling.labels if label in known}


def _column(values: Sequence[Any]) -> ObjectArray:
    """An object array of one dimension, whatever the values are (a list would add a second)."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column
