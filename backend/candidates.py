"""Tasks with a model's answers, in the columns that the policy decides on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.predictors.inputs import Download, read_inputs
from backend.predictors.protocol import ModelInput, Predictor
from connectors.label_studio.labeling import InputKind, Labeling
from policies.domain import Candidates, ObjectArray
from policies.engine import NO_MODEL
from policies.schema import Policy

TaskRows = tuple[Sequence[int], Sequence[dict[str, Any]]]


def candidates_of(
    policy: Policy,
    labeling: Labeling,
    predictor: Predictor | None,
    tasks: TaskRows,
    download: Download,
) -> Candidates:
    """Tasks as (ids, data) with the most probable class and its calibrated probability.

    Without a predictor every task's problem is "no model yet". A class that the labelling config
    no longer offers is no answer: the task goes to people.
    """
    task_ids, data = tasks
    labels = np.full(len(data), None, dtype=np.object_)
    scores = np.full(len(data), np.nan)
    problems = column([NO_MODEL] * len(data))
    if predictor is not None and not _can_read(predictor, labeling):
        problems[:] = (
            f"the model reads {predictor.input_kind.value}, the project now shows "
            f"{labeling.input_kind.value}: it has to be trained anew"
        )
    elif predictor is not None:
        inputs = read_inputs(labeling, data, download)
        problems = column(inputs.problems)
        values: list[ModelInput] = [value for value in inputs.values if value is not None]
        good = np.array([value is not None for value in inputs.values], dtype=np.bool_)
        if values:
            probabilities = predictor.probabilities(values)
            best = probabilities.argmax(axis=1)
            labels[good] = column(predictor.labels)[best]
            scores[good] = probabilities[np.arange(len(values)), best]
        gone = good & ~np.isin(labels, column(labeling.labels))
        problems[gone] = [
            f"the label {label!r} left the labelling config" for label in labels[gone]
        ]
        labels[gone], scores[gone] = None, np.nan
    return Candidates(
        task_ids=np.array(task_ids, dtype=np.int64),
        labels=labels,
        scores=scores,
        problems=problems,
        fields={
            field: column([task_data.get(field) for task_data in data])
            for field in policy.fields_used()
        },
    )


def _can_read(predictor: Predictor, labeling: Labeling) -> bool:
    images = InputKind.IMAGE
    return (predictor.input_kind is images) == (labeling.input_kind is images)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Several batches as one; at least one is given."""
    return Candidates(
        task_ids=np.concatenate([part.task_ids for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        problems=np.concatenate([part.problems for part in parts]),
        fields={
            field: np.concatenate([part.fields[field] for part in parts])
            for field in parts[0].fields
        },
    )


def part_of(candidates: Candidates, places: slice) -> Candidates:
    """Some of the tasks."""
    return Candidates(
        task_ids=candidates.task_ids[places],
        labels=candidates.labels[places],
        scores=candidates.scores[places],
        problems=candidates.problems[places],
        fields={field: values[places] for field, values in candidates.fields.items()},
    )


def column(values: Sequence[Any]) -> ObjectArray:
    """An object array of one dimension, whatever the values are (lists would add a second)."""
    made = np.empty(len(values), dtype=np.object_)
    made[:] = values
    return made
