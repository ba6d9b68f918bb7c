"""Tasks with the predictors' answers, in the columns that the policy decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.predictors.controls_read import as_tables, prompt_of, with_prompt
from backend.predictors.inputs import read_inputs
from backend.predictors.memory.kept import (
    DISTANCES,
    TWINS,
    Memory,
    Remembering,
    remembering_of,
)
from backend.predictors.memory.twins import Nearest
from backend.predictors.protocol import Asked, ModelInput, Predictor
from backend.predictors.rules.automation import TwinsFound, rule_answers
from backend.sameness import likeness_of
from backend.store.models import EXAMPLES_BY_LABEL, ModelVersion
from connectors.label_studio.answers import mentions, offers
from connectors.label_studio.labeling import Labeling
from policies.automation import ExactDuplicate, NearDuplicate
from policies.conditions import (
    CLASS_SUPPORT,
    ENTROPY,
    MARGIN,
    NEAR_DUPLICATE,
    NOVELTY,
    VERSION_DISAGREEMENT,
    NearDuplicateOf,
)
from policies.decisions import is_none
from policies.deployed import not_monitored
from policies.domain import (
    MODEL,
    BoolArray,
    Candidates,
    FloatArray,
    Monitored,
    ObjectArray,
    column,
)
from policies.engine import NO_MODEL
from policies.likeness import aligned
from policies.schema import Policy

# What is said of the model's answer, so of no rule's.
_OF_THE_MODEL = (MARGIN, ENTROPY, VERSION_DISAGREEMENT)
# Which part of a version's memory tells a signal.
_TOLD_BY = {NOVELTY: DISTANCES, NEAR_DUPLICATE: TWINS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Answers in the making, in the tasks' order."""

    labels: ObjectArray
    scores: FloatArray
    problems: ObjectArray
    predictors: ObjectArray
    part_scores: ObjectArray
    signals: dict[str, FloatArray]

    def answer(self, rows: BoolArray, labels: ObjectArray, scores: FloatArray) -> None:
        """Give these tasks their label and score."""
        self.labels[rows], self.scores[rows] = labels, scores

    def take_back(self, rows: BoolArray, problems: str | list[str]) -> None:
        """Leave these tasks without an answer, and say why."""
        self.labels[rows], self.scores[rows], self.problems[rows] = None, np.nan, problems
        self.part_scores[rows] = None
        for name in self.signals.keys() & set(_OF_THE_MODEL):
            self.signals[name][rows] = np.nan


def candidates_of(policy: Policy, predictor: Predictor | None, asked: Asked) -> Candidates:
    """The tasks, each with the answer of the first predictor that has one.

    The rules of automation come first, in the policy's order, then the model with its answer and
    the calibrated probability that it is right. Without a predictor the tasks that no rule labels
    have the problem "no model yet". A label that the labelling config no longer offers is no
    answer: the task goes to people.
    """
    columns = _unanswered(policy, len(asked.data))
    remembering = remembering_of(predictor)
    memory = Memory() if remembering is None else remembering.memory
    twins: TwinsFound = (None, None)
    if predictor is not None:
        before = None if remembering is None else remembering.forerunner
        _by_model(columns, policy, (predictor, before), asked)
        if remembering is not None:
            twins = _twins(columns, policy, remembering, asked)
    if policy.automation:
        _by_rules(columns, policy, asked, twins)
    if predictor is not None:
        _held_back(columns, policy, memory, predictor.version)
    return Candidates(
        task_ids=np.array(asked.task_ids, dtype=np.int64),
        labels=columns.labels,
        scores=columns.scores,
        problems=columns.problems,
        fields={
            field: column([task_data.get(field) for task_data in asked.data])
            for field in policy.fields_used
        },
        signals=columns.signals,
        predictors=columns.predictors,
        mentions=_mentions(columns, asked.labeling),
        listed=asked.labeling.is_list,
        part_scores=columns.part_scores if any_parts(columns.part_scores) else None,
    )


def any_parts(part_scores: ObjectArray) -> bool:
    """Whether any of the answers has scores of its parts."""
    return not bool(is_none(part_scores).all())


def _mentions(columns: _Columns, labeling: Labeling) -> ObjectArray | None:
    """The labels that each answer speaks of; None where it speaks of nothing but itself."""
    if not labeling.speaks_of_more:
        return None
    return column([() if text is None else mentions(labeling, text) for text in columns.labels])


def _unanswered(policy: Policy, n: int) -> _Columns:
    return _Columns(
        labels=np.full(n, None, dtype=np.object_),
        scores=np.full(n, np.nan),
        problems=column([NO_MODEL] * n),
        predictors=np.full(n, MODEL, dtype=np.object_),
        part_scores=np.full(n, None, dtype=np.object_),
        signals={name: np.full(n, np.nan) for name in policy.signals_used},
    )


def _by_model(
    columns: _Columns, policy: Policy, models: tuple[Predictor, Predictor | None], asked: Asked
) -> None:
    """``models`` are the one that answers, and the version that served before it."""
    predictor, before = models
    found = predictor.predict(asked)
    columns.labels[:], columns.scores[:] = found.texts, found.scores
    columns.problems[:] = found.problems
    if found.part_scores is not None:
        columns.part_scores[:] = found.part_scores
    for name in columns.signals.keys() & found.signals.keys():
        columns.signals[name][:] = found.signals[name]
    if VERSION_DISAGREEMENT in columns.signals and before is not None:
        said = before.predict(asked).texts
        both = ~is_none(said) & ~is_none(found.texts)
        alike = aligned(said, found.texts, likeness_of(policy, asked.labeling))
        columns.signals[VERSION_DISAGREEMENT][both] = (alike != found.texts)[both]
    _leave_out(columns, asked.labeling)


def _leave_out(columns: _Columns, labeling: Labeling) -> None:
    """Answers that the labelling config no longer offers are none."""
    if labeling.is_list:
        offered = {None, *labeling.labels}
        answers = columns.labels.tolist()
        if offered.issuperset(answers):
            return
        gone = np.fromiter((label not in offered for label in answers), np.bool_, len(answers))
        left = [f"the label {label!r} left the labelling config" for label in columns.labels[gone]]
        columns.take_back(gone, left)
        return
    problems = [None if text is None else offers(labeling, text) for text in columns.labels]
    gone = np.array([problem is not None for problem in problems], dtype=np.bool_)
    columns.take_back(gone, [problem for problem in problems if problem is not None])


def _twins(columns: _Columns, policy: Policy, remembering: Remembering, asked: Asked) -> TwinsFound:
    """The human-labelled examples of the version that are like each task, and that signal."""
    memory = remembering.memory.twins
    if memory is None:
        return None, None
    fields = remembering.fields
    controls = as_tables(asked.labeling.controls) if fields else asked.labeling.controls
    controls = with_prompt(controls, prompt_of(policy))
    read = read_inputs(controls[0], asked.data, asked.download, fields)
    good = np.array([value is not None for value in read.values], dtype=np.bool_)
    values: list[ModelInput] = [value for value in read.values if value is not None]
    ids = np.asarray(asked.task_ids, np.int64)[good].tolist()
    nearest = exact = None
    least = _least_similarity(policy)
    if least is not None:
        nearest = _spread(memory.nearest((ids, values), least), good)
        if NEAR_DUPLICATE in columns.signals:
            columns.signals[NEAR_DUPLICATE][good] = nearest.similarity[good]
    if any(isinstance(rule, ExactDuplicate) for rule in policy.automation):
        exact = np.full(len(good), None, dtype=np.object_)
        exact[good] = memory.exact((ids, values))
    return nearest, exact


def _least_similarity(policy: Policy) -> float | None:
    """The lowest similarity that the policy looks at; None where it looks at none."""
    limits = [rule.similarity for rule in policy.automation if isinstance(rule, NearDuplicate)]
    limits += [each.above for each in policy.conditions() if isinstance(each, NearDuplicateOf)]
    return min(limits, default=None)


def _spread(nearest: Nearest, good: BoolArray) -> Nearest:
    """The answers for the readable tasks as columns of all tasks."""
    similarity, labels = np.zeros(len(good)), np.full(len(good), None, dtype=np.object_)
    similarity[good], labels[good] = nearest.similarity, nearest.labels
    return Nearest(similarity=similarity, labels=labels)


def _by_rules(columns: _Columns, policy: Policy, asked: Asked, twins: TwinsFound) -> None:
    found = rule_answers(policy.automation, asked.labeling, asked.data, twins)
    rows = ~is_none(found.names)
    columns.take_back(rows, "")
    columns.answer(rows, found.labels[rows], found.scores[rows])
    columns.problems[rows], columns.predictors[rows] = None, found.names[rows]


def _held_back(columns: _Columns, policy: Policy, memory: Memory, version: str) -> None:
    """No answer counts while a route asks what the version cannot tell: it could not match."""
    kept = {DISTANCES: memory.distances is not None, TWINS: memory.twins is not None}
    asked = {condition.kind for condition in policy.conditions()}
    for signal, part in _TOLD_BY.items():
        if signal in asked and not kept[part]:
            columns.take_back(
                ~is_none(columns.labels),
                f"a route asks for {signal}, and version {version} keeps nothing of its "
                "training examples to tell it by: it has to be trained anew",
            )


def model_alone(policy: Policy) -> Policy:
    """The policy under which the model answers by itself: to be measured, not to be decided by."""
    return policy.model_copy(update={"automation": (), "routes": ()})


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
        mentions=_joined_column([(part.mentions, len(part)) for part in parts]),
        listed=parts[0].listed,
        part_scores=_joined_column([(part.part_scores, len(part)) for part in parts]),
        monitored=_joined_monitored(parts),
    )


def _joined_monitored(parts: Sequence[Candidates]) -> Monitored | None:
    if all(part.monitored is None for part in parts):
        return None
    found = [part.monitored or not_monitored(len(part)) for part in parts]
    return Monitored(
        predictors=np.concatenate([each.predictors for each in found]),
        labels=np.concatenate([each.labels for each in found]),
        scores=np.concatenate([each.scores for each in found]),
        draws=np.concatenate([each.draws for each in found]),
        shares=np.concatenate([each.shares for each in found]),
        reasons=np.concatenate([each.reasons for each in found]),
        mentions=_joined_column([(each.mentions, len(each.labels)) for each in found]),
    )


def _joined_column(parts: Sequence[tuple[ObjectArray | None, int]]) -> ObjectArray | None:
    """Columns that not every batch has, with the size of each batch; None where none has it."""
    if all(values is None for values, _ in parts):
        return None
    empty = [np.full(n, None, dtype=np.object_) if each is None else each for each, n in parts]
    return np.concatenate(empty)
