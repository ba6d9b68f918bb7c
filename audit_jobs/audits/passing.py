"""When an accepted answer with parts passes: regions, spans, texts, label sets.

The policy's ``audit.passing`` names a measure and the value from which on an answer passes. What
the measure is not made for must be the same: a wrong label beside a well placed box does not pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audit_jobs.agreement.regions import agreed_attributes, agreed_regions, agreed_relations
from audit_jobs.agreement.values import likeness
from audit_jobs.measures.pairs import Pairs, Scores
from connectors.answers import Answer, Control, Kind, Region
from connectors.label_studio.exports import ExportError, parse_tasks, read_rows
from policies.audits import Passing
from policies.domain import BoolArray

# Sorted, they are annotator 0 and 1 of the tasks that are compared.
_ACCEPTED, _AUDITOR = "accepted", "auditor"
_MARKERS = ("labelgate: ", "labelgate #")  # views and ranks in Label Studio: no answers
_KINDS = {
    "exact": frozenset(Kind),
    "iou": frozenset({Kind.REGIONS}),
    "span_f1": frozenset({Kind.REGIONS}),
    "similarity": frozenset({Kind.TEXT, Kind.REGIONS}),
    "jaccard": frozenset({Kind.CHOICES, Kind.TAXONOMY}),
}
MEASURES = tuple(_KINDS)
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedTask:
    """An accepted answer beside the auditor's; ``label`` is what it says, in words."""

    id: str
    label: str
    passed: bool
    inclusion_probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedExport:
    """The tasks that could be compared, and how many could not be."""

    tasks: tuple[EvaluatedTask, ...]
    without_annotation: int
    without_prediction: int


def passes(accepted: list[Any], auditors: list[Any], passing: Passing) -> bool:
    """Whether an accepted result in Label Studio's JSON passes beside the auditor's."""
    compared = _compared([_pair("", {}, accepted, auditors)], passing)
    return bool(compared[0].passed)


def evaluate_export(path: Path, measure: str, at_least: float) -> EvaluatedExport:
    """Every task's prediction compared with its annotation, in the order of the file.

    Of several annotations the one marked as ground truth counts, else the first; of several
    predictions the last. Tasks that lack either are counted and left out.

    Raises
        ExportError: no JSON export of Label Studio, no prediction in it, or nothing that the
            measure compares; the message says the way out.
    """
    passing = Passing.model_validate({"measure": measure, "at_least": at_least})
    rows = read_rows(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ExportError(f"{path}: the file is no list of tasks: export the project as JSON")
    pairs, bare, blank = [], 0, 0
    for place, row in enumerate(rows):
        annotation = _annotation(row)
        prediction = None if annotation is None else _prediction(row, annotation)
        blank += annotation is None
        bare += annotation is not None and prediction is None
        if annotation is not None and prediction is not None:
            name = str(row.get("id", place))
            pairs.append(_pair(name, row.get("data"), prediction, annotation["result"]))
    if not pairs:
        raise ExportError(f"{path}: {_lacking(bare)}")
    try:
        tasks = _compared(pairs, passing)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    return EvaluatedExport(tasks=tuple(tasks), without_annotation=blank, without_prediction=bare)


def _lacking(bare: int) -> str:
    if not bare:
        return "no task has an annotation: nothing says whether a prediction is right"
    return (
        f"{bare} tasks have an annotation and none of them a prediction with a result: export the "
        "project as JSON with predictions in full (serialization option predictions.only_id = "
        "false)"
    )


def _annotation(row: dict[str, Any]) -> dict[str, Any] | None:
    found = row.get("annotations")
    given = [
        each
        for each in (found if isinstance(found, list) else [])
        if _has_result(each) and not each.get("was_cancelled")
    ]
    true = [each for each in given if each.get("ground_truth")]
    return next(iter([*true, *given]), None)


def _prediction(row: dict[str, Any], annotation: dict[str, Any]) -> list[Any] | None:
    """The result of the task's last prediction, or of the one that the annotation began with."""
    found = row.get("predictions")
    results = [
        each["result"]
        for each in (found if isinstance(found, list) else [])
        if _has_result(each) and not str(each.get("model_version") or "").startswith(_MARKERS)
    ]
    begun = annotation.get("prediction")
    if not results and isinstance(begun, dict) and _has_result(begun):
        results = [begun["result"]]
    return results[-1] if results else None


def _has_result(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("result"), list)


def _pair(name: str, data: Any, accepted: list[Any], auditors: list[Any]) -> dict[str, Any]:
    """A task as the reader of exports knows it, with the two answers to compare."""
    return {
        "id": name,
        "data": data,
        "annotations": [
            {"completed_by": _ACCEPTED, "result": accepted},
            {"completed_by": _AUDITOR, "result": auditors},
        ],
    }


def _compared(pairs: Sequence[dict[str, Any]], passing: Passing) -> list[EvaluatedTask]:
    export = parse_tasks(pairs)
    predicted = [each for each in export.controls if any(a.annotator == 0 for a in each.answers)]
    drawn = [each for each in predicted if _answered(each)]
    fitting = [each for each in drawn if each.kind in _KINDS[passing.measure]]
    if drawn and not fitting:
        kinds = ", ".join(sorted({f"{each.name} ({each.kind.value})" for each in drawn}))
        raise ExportError(
            f"--measure {passing.measure} compares none of what was predicted: {kinds}; take exact"
        )
    # A prediction that says nothing at all leaves out whatever the auditor said.
    results = [[each["result"] for each in pair["annotations"]] for pair in pairs]
    passed = np.array([bool(accepted) or not said for accepted, said in results], dtype=np.bool_)
    labels: defaultdict[int, list[str]] = defaultdict(list)
    for control in drawn:
        fits = control in fitting
        passed &= _passing(control, len(pairs), passing if fits else Passing())
        for answer in control.answers:
            if answer.annotator == 0:
                labels[answer.task] += _words(control, answer)
    return [
        EvaluatedTask(
            id=name,
            label=", ".join(dict.fromkeys(labels[task])) or "(nothing)",
            passed=bool(passed[task]),
        )
        for task, name in enumerate(export.tasks)
    ]


def _answered(control: Control) -> bool:
    """Whether any prediction says something to the control: an empty drawing says nothing."""
    return any(answer.annotator == 0 and answer.value != () for answer in control.answers)


def _passing(control: Control, tasks: int, passing: Passing) -> BoolArray:
    """Which tasks pass as far as this control goes; an answer on one side alone does not."""
    counts = np.bincount([answer.task for answer in control.answers], minlength=tasks)
    passed: BoolArray = counts != 1
    pairs, scores = _scores(control, tasks, passing)
    known = scores.below > 0
    values = np.divide(scores.above, scores.below, out=np.zeros(len(known)), where=known)
    where = np.array([answer.task for answer in control.answers], dtype=np.int64)[pairs.left]
    passed[where] &= values >= passing.at_least - _ROUNDING
    return passed


def _scores(control: Control, tasks: int, passing: Passing) -> tuple[Pairs, Scores]:
    """How alike the two answers of each task are, by the measure."""
    answers = control.answers
    if control.kind is Kind.UNMEASURED:
        return _by_value(answers, _same)
    if control.per_region:
        made = agreed_attributes(answers, _same)
        # Where no region matches the regions' own control says so.
        return made.pairs, _or_one(made.scores["agreement"])
    if control.kind is Kind.REGIONS:
        made = agreed_regions(control, tasks, seed=0)
        spans = passing.measure == "span_f1"
        if spans and "f1_exact" not in made.scores:
            raise ExportError(
                f"--measure span_f1 compares spans; {control.name} has none: take iou"
            )
        return made.pairs, made.scores["f1_exact" if spans else made.main]
    if control.kind is Kind.RELATIONS:
        made = agreed_relations(answers, tasks, seed=0)
        return made.pairs, made.scores[made.main]
    if passing.measure == "exact":
        return _by_value(answers, _same_set if control.kind in _SETS else _same)
    return _by_value(answers, likeness(control.kind))


_SETS = frozenset({Kind.CHOICES, Kind.TAXONOMY})


def _by_value(answers: Sequence[Answer[Any]], alike: Any) -> tuple[Pairs, Scores]:
    """Values of the same task stand beside each other: the accepted one first."""
    both = [
        place for place in range(len(answers) - 1) if answers[place].task == answers[place + 1].task
    ]
    left = np.array(both, dtype=np.int64)
    found = [alike(answers[place].value, answers[place + 1].value) for place in both]
    return Pairs(left=left, right=left + 1), Scores(
        above=np.array([value or 0.0 for value in found], dtype=np.float64),
        below=np.array([value is not None for value in found], dtype=np.float64),
    )


def _or_one(scores: Scores) -> Scores:
    """The scores, 1 where they are undefined."""
    none = scores.below == 0
    return Scores(above=np.where(none, 1.0, scores.above), below=np.where(none, 1.0, scores.below))


def _same(one: Any, other: Any) -> float:
    return float(one == other)


def _same_set(one: Iterable[Any], other: Iterable[Any]) -> float:
    return float(set(one) == set(other))


def _words(control: Control, answer: Answer[Any]) -> list[str]:
    """What an answer says, as far as it is labels."""
    match control.kind:
        case Kind.CHOICES if not control.per_region:
            return sorted(answer.value)
        case Kind.TAXONOMY if not control.per_region:
            return sorted(" / ".join(path) for path in answer.value)
        case Kind.REGIONS:
            regions: Sequence[Region] = answer.value
            return sorted({label for region in regions for label in region.labels})
    return []
