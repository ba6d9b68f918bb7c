"""``labelgate calibrate``: the threshold that a file of scores and answers can prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from backend.commands.options import CONFIDENCE, MAX_ERROR
from backend.commands.output import new_table, show, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError, read_rows, refuse
from policies.domain import BoolArray, Certificate, Estimate, FloatArray, ObjectArray
from policies.thresholds import certify, certify_labels, grid_from_scores

_CORRECT = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswers:
    """Columns of one length: the model's score, whether it was wrong, and the label it said."""

    scores: FloatArray
    wrong: BoolArray
    labels: ObjectArray


@click.command()
@click.argument("file", metavar="SCORES.csv", type=click.Path(path_type=Path))
@click.option(
    "--max-error", required=True, type=MAX_ERROR, help="Largest share of wrong labels accepted."
)
@click.option(
    "--confidence",
    required=True,
    type=CONFIDENCE,
    help="With which probability the promise must hold, as 0.95.",
)
@click.option(
    "--per-label", is_flag=True, help="A threshold for each label; all promises hold together."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def calibrate(
    file: Path, max_error: float, confidence: float, *, per_label: bool, as_json: bool
) -> None:
    """Find the lowest score from which labels can be accepted without a person.

    SCORES.csv (or .csv.gz) has one line for each task that a person answered: `score`, the model's
    confidence from 0 to 1; `correct`, whether the person agreed (1, 0, true or false); with
    --per-label also `label`, what the model said. The tasks must be a random sample of those that
    the threshold is for: with labels of tasks that were sent to people for their low score, the
    promise does not hold.

    The thresholds to test are chosen from the scores alone, never from `correct`. "Not certified"
    is a normal answer, and says how many more answers it would take, where that can be told.

    Example: labelgate calibrate scores.csv --max-error 0.02 --confidence 0.95
    """
    try:
        answers = read_answers(file, labelled=per_label)
    except DataFileError as error:
        raise click.ClickException(str(error)) from error
    if per_label:
        found = _by_label(answers, max_error, confidence)
        report: Any = [{"label": label} | _as_json(each) for label, each in found.items()]
    else:
        found = {"all": _overall(answers, max_error, confidence)}
        report = _as_json(found["all"])
    if as_json:
        tell_json(report, indent=True)
    else:
        show(_table(found, max_error, confidence))


@progress("reading")
def read_answers(file: Path, *, labelled: bool) -> ScoredAnswers:
    """Read ``score``, ``correct`` and, where asked for, ``label``; DataFileError names the line."""
    needed = ("score", "correct", "label") if labelled else ("score", "correct")
    rows = list(read_rows(file, needed))
    if not rows:
        raise DataFileError(f"{file}  has no rows: one line for each answered task is needed")
    if len(rows) == 1:
        raise DataFileError(
            f"{file}:{rows[0].line}  is the only row: one answer proves nothing, add more"
        )
    scores = np.array([_score(row.values["score"]) for row in rows])
    correct = [_CORRECT.get(row.values["correct"].strip().lower()) for row in rows]
    labels = [row.values["label"] if labelled else "" for row in rows]
    problems = []
    for row, score, answer, label in zip(rows, scores.tolist(), correct, labels, strict=True):
        if not 0 <= score <= 1:
            hint = "is not a number from 0 to 1: give the model's confidence as a share"
            problems.append(f"{row.line}  score = {row.values['score']!r}  {hint}")
        if answer is None:
            hint = "is none of 0, 1, true, false: say whether the person agreed with the model"
            problems.append(f"{row.line}  correct = {row.values['correct']!r}  {hint}")
        if labelled and not label.strip():
            hint = "is empty: give the label that the model said"
            problems.append(f"{row.line}  label = {label!r}  {hint}")
    refuse(file, problems)
    return ScoredAnswers(
        scores=scores,
        wrong=~np.array(correct, dtype=np.bool_),
        labels=np.array(labels, dtype=np.object_),
    )


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


@progress("certifying")
def _overall(answers: ScoredAnswers, max_error: float, confidence: float) -> Certificate:
    return certify(
        answers.scores,
        answers.wrong,
        grid=_grid(answers.scores, max_error, confidence),
        max_error_rate=max_error,
        confidence=confidence,
        model_version="",
    )


@progress("certifying")
def _by_label(
    answers: ScoredAnswers, max_error: float, confidence: float
) -> dict[str, Certificate]:
    names = sorted(set(answers.labels.tolist()))
    each = 1 - (1 - confidence) / len(names)
    return certify_labels(
        answers.scores,
        answers.wrong,
        answers.labels,
        grids={
            name: _grid(answers.scores[answers.labels == name], max_error, each) for name in names
        },
        max_error_rate=max_error,
        confidence=confidence,
        model_version="",
    )


def _grid(scores: FloatArray, max_error: float, confidence: float) -> Sequence[float]:
    # Given the scores, the errors are independent with unequal chances, and such a sum has no
    # heavier tail than the binomial of the test (Hoeffding 1956): the scores may place the grid.
    return grid_from_scores(
        scores, max_error_rate=max_error, confidence=confidence, n_labelled=len(scores), floor=0.0
    )


def _as_json(found: Certificate) -> dict[str, Any]:
    return {
        "certified": found.threshold is not None,
        "threshold": found.threshold,
        "accepted_share": found.accepted_share,
        "error": found.error.as_json(),
        "labels_needed": found.labels_needed,
    }


def _table(found: dict[str, Certificate], max_error: float, confidence: float) -> Table:
    table = new_table(title=f"At most {max_error:.1%} errors, with {confidence:.1%} confidence")
    for heading in ("label", "accept from", "share accepted", "errors among them", "answers"):
        table.add_column(heading, justify="left" if heading == "label" else "right")
    for label, each in found.items():
        table.add_row(
            escape(label),
            _no_threshold(each) if each.threshold is None else f"{each.threshold:.4f}",
            f"{each.accepted_share:.1%}",
            _errors(each.error),
            f"{each.control_answers:,}",
        )
    return table


def _no_threshold(found: Certificate) -> str:
    if found.labels_needed is None:
        return "not certified"
    return f"not certified: about {found.labels_needed:,} more answers"


def _errors(error: Estimate) -> str:
    if error.value is None or error.high is None:
        return "-"
    return f"{error.value:.2%} (at most {error.high:.2%})"
