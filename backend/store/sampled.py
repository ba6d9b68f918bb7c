"""Tasks with their current decision, looked up by key: what a fair sample is made of.

A number is drawn between the smallest and the largest, and what has it is looked up. Either of two
kinds of number will do: of tasks, which have gaps where other projects' tasks are, or of the
ledger's entries, of which only the one that holds now counts as its task. Each task has exactly one
of either, so that both give every task the same chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from backend.store.ledger import newest_seq
from backend.store.tables import DecisionRow, TaskRow
from policies.domain import IntArray, ObjectArray, column


class Numbers(StrEnum):
    """What the numbers that are drawn are numbers of."""

    TASKS = "tasks"
    ENTRIES = "entries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawable:
    """The numbers to draw from, both ends included; ``high`` under ``low`` where there are none."""

    numbers: Numbers
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many numbers there are, those that nothing has too."""
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedTasks:
    """Tasks with what their current decision says of the prediction, in columns of one length.

    ``labels`` is None and ``scores`` NaN where the model had no answer. ``signals`` has a mapping a
    task, ``data`` one too where it was asked for, else None. ``answers`` counts people's labels.
    """

    task_ids: IntArray
    labels: ObjectArray
    scores: ObjectArray
    rules: ObjectArray
    reasons: ObjectArray
    purposes: ObjectArray
    predictors: ObjectArray
    versions: ObjectArray
    answers: ObjectArray
    signals: ObjectArray
    data: ObjectArray

    def __len__(self) -> int:
        return len(self.task_ids)


_TASKS, _DECISIONS = TaskRow.__table__.c, DecisionRow.__table__.c
_COLUMNS = (
    _TASKS.task_id,
    _DECISIONS.label,
    _DECISIONS.score,
    _DECISIONS.rule,
    _DECISIONS.reason,
    _DECISIONS.purpose,
    _DECISIONS.predictor,
    _DECISIONS.model_version,
    _TASKS.human_labels,
    _DECISIONS.signals,
)
_KEYS = {Numbers.TASKS: _TASKS.task_id, Numbers.ENTRIES: _DECISIONS.seq}


def task_numbers(session: Session, project_id: int) -> Drawable:
    """The numbers of the project's tasks, and those between them."""
    low, high = session.execute(
        select(func.min(TaskRow.task_id), func.max(TaskRow.task_id)).where(
            TaskRow.project_id == project_id
        )
    ).one()
    if low is None:
        return Drawable(numbers=Numbers.TASKS, low=1, high=0)
    return Drawable(numbers=Numbers.TASKS, low=low, high=high)


def drawable(session: Session, project_id: int) -> Drawable:
    """The numbers with fewer gaps between them: of tasks, or of the ledger's entries."""
    tasks = task_numbers(session, project_id)
    entries = Drawable(numbers=Numbers.ENTRIES, low=1, high=newest_seq(session, project_id))
    return min(tasks, entries, key=lambda each: each.size)


def decided_tasks(  # noqa: PLR0913 - whose, which numbers, and what of them
    session: Session,
    project_id: int,
    numbers: Numbers,
    drawn: Sequence[int],
    *,
    data: bool = False,
    answered: bool = False,
) -> DecidedTasks:
    """Those of the drawn numbers that a task with a decision has; at most a few thousand at once.

    With ``data`` the tasks' own data is read too; with ``answered`` only tasks with people's labels
    are found. Those that are gone from Label Studio are left out.
    """
    query = _statement(numbers, data=data)
    if answered:  # added to nothing, so that no index of it is led by: all of it would be read
        query = query.where(_TASKS.human_labels + 0 > 0)
    asked = {"project_id": project_id, "drawn": list(drawn)}
    rows = session.connection().execute(query, asked).fetchall()
    found = list(zip(*rows, strict=True)) or [()] * (len(_COLUMNS) + data)
    columns = [column(values) for values in found]
    return DecidedTasks(
        task_ids=columns[0].astype(np.int64),
        labels=columns[1],
        scores=columns[2],
        rules=columns[3],
        reasons=columns[4],
        purposes=columns[5],
        predictors=columns[6],
        versions=columns[7],
        answers=columns[8],
        signals=columns[9],
        data=columns[10] if data else np.full(len(columns[0]), None, object),
    )


def joined_tasks(parts: Sequence[DecidedTasks]) -> DecidedTasks:
    """Several lookups as one; at least one is given."""
    names = DecidedTasks.__dataclass_fields__
    return DecidedTasks(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def _statement(numbers: Numbers, *, data: bool) -> Select[Any]:
    columns = (*_COLUMNS, _TASKS.data) if data else _COLUMNS
    return (
        select(*columns)
        .join_from(
            TaskRow.__table__,
            DecisionRow.__table__,
            and_(
                _TASKS.project_id == _DECISIONS.project_id,
                _TASKS.task_id == _DECISIONS.task_id,  # both ways lead over a primary key
                _TASKS.decision_seq == _DECISIONS.seq,
            ),
        )
        .where(
            _KEYS[numbers].table.c.project_id == bindparam("project_id"),
            _TASKS.deleted_at.is_(None),
            _KEYS[numbers].in_(bindparam("drawn", expanding=True)),
        )
    )
