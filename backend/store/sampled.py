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
import orjson
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select
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


def answered_tasks(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> tuple[IntArray, ObjectArray]:
    """Those of these tasks that people have answered, and the version whose decision holds of each.

    Little of each is read, so that many can be looked at to choose those that ``decided_tasks``
    then reads.
    """
    query = _statement(session, Numbers.TASKS, (_TASKS.task_id, _DECISIONS.model_version))
    # Added to nothing, so that no index of it is led by: all of it would be read.
    query = query.where(_TASKS.human_labels + 0 > 0)
    rows = _looked_up(session, query, project_id, task_ids)
    return (
        np.array([row[0] for row in rows], np.int64),
        column([row[1] for row in rows]),
    )


def decided_tasks(
    session: Session,
    project_id: int,
    numbers: Numbers,
    drawn: Sequence[int],
    *,
    data: bool = False,
) -> DecidedTasks:
    """Those of the drawn numbers that a task with a decision has; at most a few thousand at once.

    With ``data`` the tasks' own data is read too. Those that are gone from Label Studio are left
    out.
    """
    query = _statement(session, numbers, (*_COLUMNS, _TASKS.data) if data else _COLUMNS)
    rows = _looked_up(session, query, project_id, drawn)
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


def _statement(
    session: Session, numbers: Numbers, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    key = _KEYS[numbers]
    drawn: Any = bindparam("drawn", expanding=True)
    if _is_sqlite(session):  # thousands of parameters take as long to write as to look up
        drawn = select(func.json_each(bindparam("drawn")).table_valued("value").c.value)
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
            key.table.c.project_id == bindparam("project_id"),
            _TASKS.deleted_at.is_(None),
            key.in_(drawn),
        )
    )


def _looked_up(
    session: Session, query: Select[Any], project_id: int, drawn: Sequence[int]
) -> Sequence[Any]:
    numbers = list(drawn)
    given = orjson.dumps(numbers).decode() if _is_sqlite(session) else numbers
    asked = {"project_id": project_id, "drawn": given}
    return session.connection().execute(query, asked).fetchall()


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
