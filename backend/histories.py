"""Histories to replay a policy on: from a CSV file, or from the store of a connected project."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.candidates import with_class_support
from backend.champion import load_champion, predict_tasks
from backend.data_files import DataFileError, Row, read_rows, refuse
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.projects import ConnectedProject
from backend.store.tasks import unlabelled_task_ids
from policies.conditions import CLASS_SUPPORT, INTERVAL_WIDTH, REGION_COUNT
from policies.document import plain_value
from policies.domain import Candidates, FloatArray, IntArray, ObjectArray, column
from policies.planning import History
from policies.schema import Policy

_COLUMNS = ("id", "predicted", "score", "label")
_FIELD = "field."
# Of signals; the others are shares.
_HIGHEST = dict.fromkeys((CLASS_SUPPORT, REGION_COUNT, INTERVAL_WIDTH), math.inf)
_MOST_ID_DIGITS = 18  # of a whole number that surely fits 64 bits
_WHOLE = re.compile("0|-?[1-9][0-9]*")  # 007 is text: it is not the same id as 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectHistory:
    """What a plan for a connected project rests on, predicted by the serving model.

    ``open`` are the tasks that no person has labelled; ``evidence`` the answered tasks of the
    control slice and the holdout, which no model was trained on.
    """

    open: History
    evidence: History


def read_history(file: Path, policies: Sequence[Policy]) -> History:
    """A history with all that the routes of these policies look at.

    Columns ``id,predicted,score,label``, and optionally ``tier``, ``lead_time`` (seconds),
    ``field.NAME`` for a field of the task's data, and the signals of
    ``policies.conditions.SIGNALS`` by their names (``version_disagreement`` as 1 or 0).
    ``predicted`` and ``label`` may be empty: the model, or people, gave no answer.

    Raises
        DataFileError: names file, line, column and value; also where a column is missing that a
            route looks at, or an id stands twice.
    """
    rows = list(read_rows(file, _COLUMNS))
    if not rows:
        raise DataFileError(f"{file}  has no rows: one line for each task is needed")
    _check_fields(file, rows[0], policies)
    problems: list[str] = []
    scores = _numbers(rows, "score", problems, highest=1.0)
    labels = _texts(rows, "predicted")
    problems += _mismatched(rows, labels, scores)
    lead_times = _numbers(rows, "lead_time", problems)
    signals = {
        name: _numbers(rows, name, problems, highest=_HIGHEST.get(name, 1.0))
        for name in dict.fromkeys(name for each in policies for name in each.signals_used)
    }
    problems += _repeated(rows)
    refuse(file, sorted(problems, key=_line_of))
    return History(
        candidates=Candidates(
            task_ids=task_numbers([row.values["id"].strip() for row in rows]),
            labels=labels,
            scores=scores,
            problems=column(
                [None if label else "no prediction in the history" for label in labels]
            ),
            fields=_fields(rows, policies),
            signals=signals,
        ),
        labels=_texts(rows, "label"),
        tiers=_texts(rows, "tier"),
        lead_times=lead_times,
    )


def task_numbers(ids: Sequence[str]) -> IntArray:
    """Ids as the 64-bit numbers that draws are made of.

    A whole number stands for itself, as Label Studio's task ids do; any other text for the first
    eight bytes of its SHA-256, so that it has the same draws everywhere.
    """
    return np.fromiter(map(_task_number, ids), np.int64, len(ids))


def project_history(runtime: Runtime, project: ConnectedProject, policy: Policy) -> ProjectHistory:
    """The store's tasks with the serving model's answers, with all that the policy looks at.

    Answers of tasks that the model may have learned from are left out: it knows them too well.
    """
    with runtime.reads() as session:
        slices = labelled_slices(session, project, policy)
        waiting = unlabelled_task_ids(session, project.id)
    answered = slices.control | slices.holdout
    serving = load_champion(runtime, project.id, policy)

    def predicted(ids: Sequence[int]) -> History:
        candidates = with_class_support(
            predict_tasks(
                runtime, project, policy, None if serving is None else serving.predictor, ids
            ),
            None if serving is None else serving.model,
        )
        found = [answered.get(task_id) for task_id in candidates.task_ids.tolist()]
        return History(
            candidates=candidates,
            labels=column(found),
            tiers=column([None] * len(found)),
            lead_times=np.full(len(found), np.nan),
        )

    return ProjectHistory(open=predicted(waiting), evidence=predicted(sorted(answered)))


def _task_number(text: str) -> int:
    if len(text) <= _MOST_ID_DIGITS and _WHOLE.fullmatch(text):
        return int(text)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def _check_fields(file: Path, first: Row, policies: Sequence[Policy]) -> None:
    wanted = dict.fromkeys(f"{_FIELD}{name}" for each in policies for name in each.fields_used)
    missing = [name for name in wanted if name not in first.values]
    if missing:
        raise DataFileError(
            f"{file}:1  has no column {', '.join(map(repr, missing))}: the policy's routes look at "
            "it; add it, empty where a task has no such field"
        )


def _fields(rows: Sequence[Row], policies: Sequence[Policy]) -> dict[str, ObjectArray]:
    """Values read as the same words in a policy file are: 3 is a number, true a truth value."""
    names = dict.fromkeys(name for each in policies for name in each.fields_used)
    return {name: _read(rows, f"{_FIELD}{name}", plain_value) for name in names}


def _texts(rows: Sequence[Row], name: str) -> ObjectArray:
    return _read(rows, name, lambda text: text.strip() or None)


def _read(rows: Sequence[Row], name: str, reader: Callable[[str], object]) -> ObjectArray:
    texts = [row.values.get(name, "") for row in rows]
    known = {text: reader(text) for text in set(texts)}
    return column([known[text] for text in texts])


def _numbers(
    rows: Sequence[Row], name: str, problems: list[str], highest: float = math.inf
) -> FloatArray:
    """A column of numbers from 0 on, NaN where it is empty; what is none goes to ``problems``."""
    wanted = "from 0 to 1" if highest == 1 else "from 0 on"
    wanted += ": give the model's confidence as a share" if name == "score" else ""
    found = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        text = row.values.get(name, "").strip()
        if not text:
            continue
        number = _number(text)
        if not (0 <= number <= highest and math.isfinite(number)):
            problems.append(f"{row.line}  {name} = {text!r}  is not a number {wanted}")
        found[place] = number
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _mismatched(rows: Sequence[Row], labels: ObjectArray, scores: FloatArray) -> list[str]:
    problems = []
    for row, label, score in zip(rows, labels.tolist(), scores.tolist(), strict=True):
        if label is not None and math.isnan(score) and not row.values["score"].strip():
            problems.append(f"{row.line}  score = ''  is empty, but the model predicted {label!r}")
    return problems


def _repeated(rows: Sequence[Row]) -> list[str]:
    first: dict[str, int] = {}
    problems = []
    for row in rows:
        text = row.values["id"].strip()
        if not text:
            problems.append(f"{row.line}  id = ''  is empty: each task needs an id of its own")
        elif text in first:
            problems.append(f"{row.line}  id = {text!r}  stands on line {first[text]} already")
        first.setdefault(text, row.line)
    return problems


def _line_of(problem: str) -> int:
    return int(problem.partition(" ")[0])
