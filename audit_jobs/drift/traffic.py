"""The tasks of the reference and of the window, as the model reads them, with its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit_jobs.drift.columns import Kind, as_feature, kind_of, without_missing
from audit_jobs.drift.comparison import Samples
from audit_jobs.drift.features import as_column, image_features, text_features
from audit_jobs.measures.drift import FEWEST, Categories, Numbers
from audit_jobs.measures.label_shift import LabelShare, label_shares, true_shares
from backend.predictors.embedded import EmbeddedPredictor
from backend.predictors.inputs import read_inputs
from backend.predictors.memory.novelty import text_of
from backend.predictors.protocol import Asked, ModelInput, Predicted, Predictor, Row
from backend.runtime import Runtime
from backend.store.decisions import model_answers
from backend.store.projects import ConnectedProject
from backend.store.tasks import StoredTask, stored_tasks
from connectors.label_studio.labeling import InputKind, Labeling, parse_labeling
from policies.decisions import is_none
from policies.domain import BoolArray, FloatArray, column
from policies.sampling import SLICE, draws
from policies.schema import Policy

OUTPUT, CONFIDENCE = "predicted label", "confidence"
# Tasks of the reference that are read: images are downloaded one by one.
_MOST, _MOST_IMAGES = 5_000, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of the comparison: the tasks that could be read, by id.

    ``answers`` and ``confidence`` have an entry for each of the tasks that ``answered`` marks, and
    ``probabilities`` a row of the model's labels, or None where its answers are not one of them;
    ``unreadable`` is how many tasks are left out.
    """

    ids: list[int]
    data: list[dict[str, Any]]
    values: list[ModelInput]
    answered: BoolArray
    answers: list[str]
    confidence: FloatArray
    probabilities: FloatArray | None
    unreadable: int

    @property
    def answered_ids(self) -> list[int]:
        """The tasks that the model answered here."""
        return [each for each, answered in zip(self.ids, self.answered, strict=True) if answered]


def random_part(policy: Policy, ids: Sequence[int]) -> BoolArray:
    """The control and holdout tasks: a random part that no version is ever trained on."""
    draw = draws(policy.salt, SLICE, np.array(ids, np.int64))
    return (draw < policy.control.share) | (draw >= 1 - policy.holdout.share)


def sampled(policy: Policy, ids: Sequence[int], kind: InputKind) -> list[int]:
    """The tasks of the reference that are read: all of them, or a random sample.

    As many of the random part as of the whole, because only its answers can be compared.
    """
    every = np.sort(np.array(ids, np.int64))
    rng = np.random.default_rng(0)
    picked: set[int] = set()
    most = _MOST_IMAGES if kind is InputKind.IMAGE else _MOST
    for part in (every, every[random_part(policy, every.tolist())]):
        few = part if len(part) <= most else rng.choice(part, most, replace=False)
        picked.update(few.tolist())
    return sorted(picked)


def read_side(
    runtime: Runtime,
    project: ConnectedProject,
    predictor: Predictor,
    ids: Sequence[int],
    answered: BoolArray,
) -> Side:
    """Read the tasks (``ids`` ascending), and ask the model about those that are marked."""
    labeling = parse_labeling(project.label_config)
    with runtime.reads() as session:
        tasks = stored_tasks(session, project.id, ids)
    inputs = read_inputs(
        labeling.controls[0],
        [task.data for task in tasks],
        lambda path: runtime.tool().download(path),
        predictor.fields if isinstance(predictor, EmbeddedPredictor) else (),
    )
    marked = dict(zip(ids, answered.tolist(), strict=True))
    read = [
        (task, value) for task, value in zip(tasks, inputs.values, strict=True) if value is not None
    ]
    said = _said(runtime, project, predictor, [task for task, _ in read if marked[task.id]])
    known = ~is_none(said.texts)
    asked = np.array([marked[task.id] for task, _ in read], np.bool_)
    asked[asked] = known
    return Side(
        ids=[task.id for task, _ in read],
        data=[task.data for task, _ in read],
        values=[value for _, value in read],
        answered=asked,
        answers=said.texts[known].tolist(),
        confidence=said.scores[known],
        probabilities=None if said.probabilities is None else said.probabilities[known],
        unreadable=len(tasks) - len(read),
    )


def _said(
    runtime: Runtime, project: ConnectedProject, predictor: Predictor, tasks: Sequence[StoredTask]
) -> Predicted:
    """What the version says of these tasks; of a model elsewhere, what it said to decide them.

    Thousands of questions at every look are too many for a server, and cost money at some.
    """
    if isinstance(predictor, EmbeddedPredictor):
        return predictor.predict(
            Asked(
                labeling=parse_labeling(project.label_config),
                label_config=project.label_config,
                task_ids=[task.id for task in tasks],
                data=[task.data for task in tasks],
                download=lambda path: runtime.tool().download(path),
            )
        )
    ids = [task.id for task in tasks]
    with runtime.reads() as session:
        known = model_answers(session, project.id, ids, predictor.version)
    answers = [known.get(task_id, (None, np.nan)) for task_id in ids]
    return Predicted(
        texts=column([text for text, _ in answers]),
        scores=np.array([score for _, score in answers], np.float64),
        problems=np.full(len(ids), None, dtype=np.object_),
    )


def samples_of(before: Side, after: Side, labeling: Labeling, fields: Sequence[str]) -> Samples:
    """What the model reads, what it answered, how sure it was, and the fields of the policy."""
    samples = Samples()
    if min(len(before.ids), len(after.ids)) >= FEWEST:
        _add_inputs(samples, before, after, labeling)
    if not (before.answered.any() and after.answered.any()):
        samples.notes.append("no answers of the model on a random part: they are not compared")
    for field in fields:
        add_column(samples, f"field {field}", field_columns(before, after, field))
    return samples


def add_column(
    samples: Samples, name: str, found: tuple[Kind, tuple[list[str | None], list[str | None]]]
) -> None:
    """A column's values on both sides, by what they are."""
    kind, columns = found
    if kind in {Kind.NUMBER, Kind.CATEGORY}:
        samples.tested.append(as_feature(name, kind, *columns))
    elif kind is Kind.TEXT:
        texts = [[value or "" for value in side] for side in columns]
        samples.add(text_features(name, texts[0], texts[1]))
    else:
        samples.notes.append(f"{name} is not compared: {kind.value}")


def output_features(before: Side, after: Side) -> list[Numbers | Categories]:
    """The model's answers and how sure it was of them, where it was asked on both sides.

    Answers of many parts hardly ever repeat: of them it is how sure it was alone.
    """
    if not (before.answers and after.answers):
        return []
    confidence = Numbers(name=CONFIDENCE, reference=before.confidence, current=after.confidence)
    if before.probabilities is None or after.probabilities is None:
        return [confidence]
    answers = Categories(
        name=OUTPUT, reference=as_column(before.answers), current=as_column(after.answers)
    )
    return [answers, confidence]


def output_shares(before: Side, after: Side, labels: Sequence[str]) -> list[LabelShare] | None:
    """Every label's share on both sides, with the true ones by EM; None without answers.

    ``labels`` are those of the probabilities' columns.
    """
    if before.probabilities is None or after.probabilities is None:
        return None
    if not (before.answers and after.answers):
        return None
    enough = min(len(before.answers), len(after.answers)) >= FEWEST
    counts = [Counter(side.answers) for side in (before, after)]
    shares = label_shares(*counts, test=enough)
    true = true_shares(after.probabilities, before.probabilities.mean(axis=0)).tolist()
    estimated = dict(zip(labels, true, strict=True))
    return [replace(each, estimated=estimated[each.label]) for each in shares]


def field_columns(
    before: Side, after: Side, field: str
) -> tuple[Kind, tuple[list[str | None], list[str | None]]]:
    """A field's values on both sides as texts, and what they are."""
    columns = (_column(before, field), _column(after, field))
    return kind_of(field, *columns), columns


def _column(side: Side, field: str) -> list[str | None]:
    values = (data.get(field) for data in side.data)
    return without_missing(["" if value is None else str(value) for value in values])


def _add_inputs(samples: Samples, before: Side, after: Side, labeling: Labeling) -> None:
    """What the model reads, by what that is."""
    name, first = labeling.data_key, before.values[0]
    if isinstance(first, np.ndarray):
        pixels = [np.array(side.values, np.float64) for side in (before, after)]
        samples.add(image_features(name, pixels[0], pixels[1]))
    elif isinstance(first, Mapping):
        for title in dict.fromkeys(title for row in _rows(before) for title in row):
            columns = (_titled(before, title), _titled(after, title))
            add_column(samples, f"column {title}", (kind_of(title, *columns), columns))
    else:
        texts = [[text_of(value) for value in side.values] for side in (before, after)]
        samples.add(text_features(name, texts[0], texts[1]))


def _rows(side: Side) -> list[Row]:
    return [value for value in side.values if isinstance(value, Mapping)]


def _titled(side: Side, title: str) -> list[str | None]:
    values = (row.get(title) for row in _rows(side))
    return without_missing(["" if value is None else str(value) for value in values])
