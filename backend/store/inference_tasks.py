"""Inferences that were drawn, and the tasks that they became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    case,
    func,
    null,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceRow
from backend.store.inferences import DRAWN, LOST, PLACED
from backend.store.tables import TaskRow

# The field of a task's data that says which inference it verifies.
INFERENCE_KEY = "labelgate_inference"
_IDS_PER_STATEMENT = 5_000
_ROWS = InferenceRow.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An inference that people are to verify; ``data`` is None where it has to be had first."""

    row_id: int
    inference_id: str
    model_version: str
    at: datetime
    data: dict[str, Any] | None
    data_sha256: str | None


_DRAWN = (
    _ROWS.id,
    _ROWS.inference_id,
    _ROWS.model_version,
    _ROWS.at,
    _ROWS.data,
    _ROWS.data_sha256,
)


def drawn_inferences(
    session: Session, project_id: int, after: int, limit: int, *, kept: bool
) -> list[Drawn]:
    """The next that wait to be placed behind row ``after``, at most ``limit``, as they came.

    ``kept`` asks for those whose data is there, else for those whose data has to be had.
    """
    rows = session.execute(
        select(*_DRAWN)
        .where(
            _ROWS.project_id == project_id,
            _ROWS.state == DRAWN,
            _ROWS.id > after,
            _ROWS.data.is_not(None) if kept else _ROWS.data.is_(None),
        )
        .order_by(_ROWS.id)
        .limit(limit)
    )
    return [_drawn(row) for row in rows]


def wanting_data(session: Session, project_id: int, *, lost: bool = False) -> list[Drawn]:
    """All that were drawn and whose data is not kept, as they came; ``lost`` ones too if asked."""
    states = (DRAWN, LOST) if lost else (DRAWN,)
    rows = session.execute(
        select(*_DRAWN)
        .where(
            _ROWS.project_id == project_id,
            _ROWS.state.in_(states),
            _ROWS.data.is_(None),
            # Not "is null": SQLite would look for it among all answers, few of which are tasks.
            func.coalesce(_ROWS.task_id, 0) == 0,
        )
        .order_by(_ROWS.id)
    )
    return [_drawn(row) for row in rows]


def count_wanting(session: Session, project_id: int) -> int:
    """How many were drawn and wait for their data, which is not kept."""
    query = select(func.count()).where(
        _ROWS.project_id == project_id, _ROWS.state == DRAWN, _ROWS.data.is_(None)
    )
    return session.scalar(query) or 0


def _drawn(row: Any) -> Drawn:
    return Drawn(
        row_id=row.id,
        inference_id=row.inference_id,
        model_version=row.model_version,
        at=row.at,
        data=row.data,
        data_sha256=row.data_sha256,
    )


def store_placed(session: Session, placed: Mapping[int, int]) -> None:
    """Row -> the task that it became; why it was lost before is forgotten."""
    why = case((_ROWS.state == LOST, null()), else_=_ROWS.why)
    _change(session, {"state": PLACED, "why": why}, "task_id", placed)


def store_lost(session: Session, lost: Mapping[int, str]) -> None:
    """Row -> why it can be no task."""
    _change(session, {"state": LOST}, "why", lost)


def _change(
    session: Session, fixed: Mapping[str, Any], name: str, values: Mapping[int, Any]
) -> None:
    if not values:
        return
    statement = (
        update(InferenceRow.__table__)  # type: ignore[arg-type]  # a table, says SQLAlchemy itself
        .where(_ROWS.id == bindparam("row_id"))
        .values(**fixed, **{name: bindparam("its_own")})
    )
    rows = [{"row_id": row, "its_own": value} for row, value in values.items()]
    session.execute(statement, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an inference is noted as: its row, its state and its task."""

    row_id: int
    state: str
    task_id: int | None


def held_inferences(
    session: Session, project_id: int, inference_ids: Sequence[str]
) -> dict[str, Held]:
    """Those of these ids that are known, by id."""
    found: dict[str, Held] = {}
    for start in range(0, len(inference_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(_ROWS.inference_id, _ROWS.id, _ROWS.state, _ROWS.task_id).where(
                _ROWS.project_id == project_id,
                _ROWS.inference_id.in_(inference_ids[start : start + _IDS_PER_STATEMENT]),
            )
        )
        found.update(
            (name, Held(row_id=row_id, state=state, task_id=task_id))
            for name, row_id, state, task_id in rows
        )
    return found


def verifying_tasks(project_id: int) -> Select[int | None]:
    """The tasks that verify an inference, whatever their decision says: no traffic of their own."""
    return select(InferenceRow.task_id).where(
        InferenceRow.project_id == project_id, InferenceRow.task_id.is_not(None)
    )


def placed_task(session: Session, project_id: int, back: int) -> int:
    """The task of the inference that was placed ``back`` before the last, by task; 0 if none."""
    found = session.scalar(
        select(_ROWS.task_id)
        .where(_ROWS.project_id == project_id, _ROWS.task_id.is_not(None))
        .order_by(_ROWS.task_id.desc())
        .offset(back)
        .limit(1)
    )
    return int(found or 0)


def newest_task(session: Session, project_id: int) -> int:
    """The highest task id that is known; 0 without one."""
    return session.scalar(select(func.max(TaskRow.task_id)).where(_of(project_id))) or 0


def newest_task_before(session: Session, project_id: int, moment: datetime) -> int:
    """The highest id of the tasks that were known before a moment; 0 without one.

    Read from the newest on, so that what is older than it is not read.
    """
    found = session.scalar(
        select(TaskRow.task_id)
        .where(_of(project_id), TaskRow.created_at < moment)
        .order_by(TaskRow.task_id.desc())
        .limit(1)
    )
    return int(found or 0)


def carrying_tasks(session: Session, project_id: int, after: int) -> dict[int, dict[str, Any]]:
    """The stored tasks behind this id that say which inference they verify, with their data."""
    text = type_coerce(TaskRow.data, Text)
    rows = session.execute(
        select(TaskRow.task_id, TaskRow.data)
        .where(
            _of(project_id),
            TaskRow.task_id > after,
            TaskRow.deleted_at.is_(None),
            text.contains(f'"{INFERENCE_KEY}"', autoescape=True),
        )
        .order_by(TaskRow.task_id)
    )
    return {task_id: data for task_id, data in rows if INFERENCE_KEY in data}


def decide_anew(session: Session, project_id: int, task_ids: Sequence[int]) -> None:
    """Take the decision from those of these tasks that nobody has answered.

    They were decided before it was known again that they verify a deployed model.
    """
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        session.execute(
            update(TaskRow)
            .where(
                _of(project_id),
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                TaskRow.human_labels == 0,
                TaskRow.freeze_id.is_(None),
            )
            .values(decision_seq=None)
            .execution_options(synchronize_session=False)
        )


def _of(project_id: int) -> ColumnElement[bool]:
    return TaskRow.project_id == project_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the inference behind a task was: what the deployed model answered, and the draw.

    ``why`` is None where it was lost for a while.
    """

    task_id: int
    model_version: str
    predicted: str
    score: float | None
    share: float
    draw: float
    why: str | None


def verified_by(session: Session, project_id: int, task_ids: Sequence[int]) -> list[Verified]:
    """The inferences that these tasks verify; most tasks verify none."""
    found: list[Verified] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(
                _ROWS.task_id,
                _ROWS.model_version,
                _ROWS.predicted,
                _ROWS.score,
                _ROWS.share,
                _ROWS.draw,
                _ROWS.why,
            ).where(
                _ROWS.project_id == project_id,
                _ROWS.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                _ROWS.share.is_not(None),
                _ROWS.draw.is_not(None),
            )
        )
        found += [
            Verified(
                task_id=row.task_id,
                model_version=row.model_version,
                predicted=row.predicted,
                score=row.score,
                share=row.share,
                draw=row.draw,
                why=row.why,
            )
            for row in rows
        ]
    return found
