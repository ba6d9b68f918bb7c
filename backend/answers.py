"""Answering ``/predict``: a pre-label for each task that may show one, nothing for all others.

Reads a task's id and data only. Whatever annotations and predictions come along are never looked
at: a model that saw people's answers would be measured against itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.candidates import candidates_of, with_class_support
from backend.predictors.inputs import Download
from backend.predictors.protocol import Asked
from backend.serving import Snapshot
from backend.store.decisions import StandingDecision
from backend.store.inference_tasks import INFERENCE_KEY
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import Labeling
from policies.audit_plan import widest
from policies.domain import Candidates, Outcome, Purpose
from policies.engine import decide
from policies.safeguards import Safeguards

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


# The place in the batch, the label, its score and those of its parts, and the task's data.
_Shown = tuple[int, str, float, tuple[float, ...], dict[str, Any]]
Standing = Callable[[Sequence[int]], Mapping[int, StandingDecision]]


def _nothing_known(task_ids: Sequence[int]) -> Mapping[int, StandingDecision]:
    del task_ids
    return {}


def answer(
    snapshot: Snapshot,
    labeling: Labeling,
    tasks: Sequence[Any],
    download: Download,
    standing: Standing = _nothing_known,
) -> Answers:
    """The answer to one batch, all of it from one model version.

    ``labeling`` is the config that Label Studio asks with, ``standing`` reads the decisions that
    hold for these tasks. What is blind there stays blind. How large a share of the accepts is
    audited is known once all of them are decided: until then every accept is blind that may still
    be drawn. Raises what ``read_inputs`` raises: Label Studio is down while an uploaded file is
    needed.
    """
    readable, problems = _readable(tasks)
    silent = snapshot.project.config_problem is not None or not snapshot.policy.shows_answers
    nobody = silent or (snapshot.predictor is None and not snapshot.policy.automation)
    if nobody or not readable.indices:
        results = [NOTHING] * len(tasks)
        return Answers(results=results, problems=problems, predicted=0, blind=0)
    candidates = _candidates(snapshot, labeling, readable, download)
    purposes = _purposes(snapshot, candidates)
    known = standing(readable.task_ids)

    shown: list[_Shown] = []
    blind = 0
    for index, task_id, data, problem, purpose, label, score, scores in zip(
        readable.indices,
        readable.task_ids,
        readable.data,
        candidates.problems.tolist(),
        purposes,
        candidates.labels.tolist(),
        candidates.scores.tolist(),
        _part_scores(candidates),
        strict=True,
    ):
        if problem is not None:
            problems.append(TaskProblem(index=index, task_id=task_id, message=problem))
        elif (
            task_id in snapshot.gold
            or INFERENCE_KEY in data  # decided or not yet: people verify another model
            or _blind(purpose, label, known.get(task_id))
        ):
            blind += 1
        else:
            shown.append((index, label, score, scores, data))
    results = _results(snapshot, labeling, len(tasks), shown)
    return Answers(results=results, problems=problems, predicted=len(shown), blind=blind)


def _candidates(
    snapshot: Snapshot, labeling: Labeling, readable: _Readable, download: Download
) -> Candidates:
    asked = Asked(
        labeling=labeling,
        label_config=snapshot.project.label_config,
        task_ids=readable.task_ids,
        data=readable.data,
        download=download,
    )
    found = candidates_of(snapshot.policy, snapshot.predictor, asked)
    return with_class_support(found, snapshot.model)


def _purposes(snapshot: Snapshot, candidates: Candidates) -> list[Purpose]:
    """What each task is for, were it decided now."""
    certification = None if snapshot.certified is None else snapshot.certified.certification
    safeguards = Safeguards(suspended=snapshot.suspended, audits=widest(snapshot.policy.drift.most))
    decisions = decide(
        snapshot.policy,
        candidates,
        certification,
        model_version=snapshot.model_version,
        safeguards=safeguards,
    )
    purposes: list[Purpose] = decisions.purposes.tolist()
    return purposes


def _results(snapshot: Snapshot, labeling: Labeling, n: int, shown: Sequence[_Shown]) -> list[Any]:
    """The predictions at their places in the batch of ``n`` tasks."""
    results: list[Any] = [NOTHING] * n
    listed, version = labeling.is_list, snapshot.model_version
    made: dict[str, Any] = {}  # of a list of labels each has one result
    for index, label, score, scores, data in shown:
        if listed and label not in made:
            made[label] = result_of(labeling, label)
        results[index] = {
            "result": made.get(label) or result_of(labeling, label, scores, data),
            "score": score,
            "model_version": version,
        }
    return results


def _part_scores(candidates: Candidates) -> list[tuple[float, ...]]:
    if candidates.part_scores is None:
        return [()] * len(candidates)
    return [scores or () for scores in candidates.part_scores.tolist()]


def _blind(purpose: Purpose, label: str, known: StandingDecision | None) -> bool:
    """Whether the task shows nothing; an accept of this label was before the draw already."""
    if known is None:
        return purpose is not Purpose.ROUTED
    if known.purpose is not Purpose.ROUTED or known.in_doubt:
        return True
    if purpose is Purpose.AUDIT:
        return known.outcome is not Outcome.ACCEPT or known.label != label
    return purpose is not Purpose.ROUTED


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
