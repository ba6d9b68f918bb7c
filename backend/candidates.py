"""Tasks with a model's answers, in the columns that the policy decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backend.predictors.inputs import Download, read_inputs
from backend.predictors.protocol import ModelInput, Predictor
from backend.store.models import EXAMPLES_BY_LABEL, ModelVersion
from connectors.label_studio.labeling import InputKind, Labeling
from policies.conditions import CLASS_SUPPORT, ENTROPY, MARGIN
from policies.domain import Candidates, FloatArray, ObjectArray
from policies.engine import NO_MODEL
from policies.schema import Policy
from policies.uncertainty import entropies, margins

_UNCERTAINTIES = {MARGIN: margins, ENTROPY: entropies}
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
    signals: dict[str, FloatArray] = {
        name: np.full(len(data), np.nan) for name in policy.signals_used()
    }
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
            for name in signals.keys() & _UNCERTAINTIES.keys():
                signals[name][good] = _UNCERTAINTIES[name](probabilities)
        gone = good & ~np.isin(labels, column(labeling.labels))
        problems[gone] = [
            f"the label {label!r} left the labelling config" for label in labels[gone]
        ]
        labels[gone], scores[gone] = None, np.nan
        for values_of in signals.values():
            values_of[gone] = np.nan
    return Candidates(
        task_ids=np.array(task_ids, dtype=np.int64),
        labels=labels,
        scores=scores,
        problems=problems,
        fields={
            field: column([task_data.get(field) for task_data in data])
            for field in policy.fields_used()
        },
        signals=signals,
    )


def with_class_support(candidates: Candidates, model: ModelVersion | None) -> Candidates:
    """The candidates with how many human examples of its predicted label the model learned from.

    Only where the policy asks for it. A version that did not note them counts as having seen none.
    """
    if model is None:
        return candidates
    return with_examples_seen(candidates, model.lineage.get(EXAMPLES_BY_LABEL, {}))


def with_examples_seen(candidates: Candidates, seen: Mapping[str, int]) -> Candidates:
    """The same from the examples of each label; nothing changes where the policy does not ask."""
    if CLASS_SUPPORT not in candidates.signals:
        return candidates
    support = [np.nan if label is None else seen.get(label, 0) for label in candidates.labels]
    counted = np.array(support, dtype=np.float64)
    return replace(candidates, signals={**candidates.signals, CLASS_SUPPORT: counted})


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
        signals={
            name: np.concatenate([part.signals[name] for part in parts])
            for name in parts[0].signals
        },
        predictors=np.concatenate([part.predictors for part in parts]),
    )


def column(values: Sequence[Any]) -> ObjectArray:
    """An object array of one dimension, whatever the values are (lists would add a second)."""
    made = np.empty(len(values), dtype=np.object_)
    made[:] = values
    return made
