"""Answering ``/predict``: a pre-label for each task that may show one, nothing for all others.

Reads a task's id and data only. Whatever annotations and predictions come along are never looked
at: a model that saw people's answers would be measured against itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.candidates import candidates_of, with_class_support
from backend.predictors.inputs import Download
from backend.serving import Snapshot
from connectors.label_studio.convert import choice_result
from connectors.label_studio.labeling import Labeling
from policies.domain import Purpose
from policies.engine import decide

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
    nobody = snapshot.predictor is None and not snapshot.policy.automation
    if nobody or not readable.indices:
        return Answers(results=results, problems=problems, predicted=0, blind=0)

    rows = (readable.task_ids, readable.data)
    candidates = with_class_support(
        candidates_of(snapshot.policy, labeling, snapshot.predictor, rows, download),
        snapshot.model,
    )
    certification = None if snapshot.certified is None else snapshot.certified.certification
    decisions = decide(
        snapshot.policy, candidates, certification, model_version=snapshot.model_version
    )

    made = {label: choice_result(labeling, label) for label in labeling.labels}
    blind_anyway = snapshot.gold | snapshot.secret
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
        elif purpose is not Purpose.ROUTED or task_id in blind_anyway:
            blind += 1
        else:
            results[index] = {
                "result": made[label],
                "score": score,
                "model_version": snapshot.model_version,
            }
            predicted += 1
    return Answers(results=results, problems=problems, predicted=predicted, blind=blind)


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
