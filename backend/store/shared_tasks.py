"""Tasks that several people answered: what agreement is measured on, and whether it changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.tables import AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import human
from policies.domain import Outcome, Purpose

_TASKS_PER_READ = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Where answers and decisions stand: two that are equal were taken of the same ones.

    ``ids`` is the sum of the answers' ids, so that one that went and one that came do not cancel.
    """

    answers: int
    ids: int
    changed_at: str | None
    newest_decision: int | None

    def as_json(self) -> dict[str, Any]:
        """Under the names of the fields."""
        return {
            "answers": self.answers,
            "ids": self.ids,
            "changed_at": self.changed_at,
            "newest_decision": self.newest_decision,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One person's answer to one task, in Label Studio's own JSON."""

    annotation_id: int
    user_id: int
    result: list[Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTask:
    """A task with two answers or more, by annotation id, and what its current decision says.

    The last three are None where it was labelled before anything was decided about it.
    """

    id: int
    data: dict[str, Any]
    readings: tuple[Reading, ...]
    purpose: Purpose | None
    outcome: Outcome | None
    inclusion_probability: float | None


def shared_state(session: Session, project_id: int) -> SharedState:
    """What the answers to shared tasks look like from afar: one query, no answer is read."""
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(AnnotationRow.annotation_id), 0),
            func.max(AnnotationRow.updated_at),
            func.max(TaskRow.decision_seq),
        )
        .select_from(AnnotationRow)
        .join(
            TaskRow,
            (TaskRow.project_id == AnnotationRow.project_id)
            & (TaskRow.task_id == AnnotationRow.task_id),
        )
        .where(AnnotationRow.project_id == project_id, *human(), *_shared(project_id))
    ).one()
    answers, ids, changed_at, newest = row
    return SharedState(
        answers=int(answers),
        ids=int(ids),
        changed_at=None if changed_at is None else changed_at.isoformat(),
        newest_decision=newest,
    )


def shared_tasks(session: Session, project_id: int) -> Iterator[SharedTask]:
    """Every task that has two people's answers or more, by id, some at a time."""
    ids = list(
        session.scalars(
            select(TaskRow.task_id).where(*_shared(project_id)).order_by(TaskRow.task_id)
        )
    )
    for start in range(0, len(ids), _TASKS_PER_READ):
        yield from _tasks(session, project_id, ids[start : start + _TASKS_PER_READ])


def lead_seconds(session: Session, project_id: int) -> list[tuple[int, float]]:
    """User and seconds of every standing human answer whose time is known."""
    rows = session.execute(
        select(AnnotationRow.user_id, AnnotationRow.lead_time_s).where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.lead_time_s.is_not(None),
            *human(),
        )
    )
    return [(user_id, float(seconds)) for user_id, seconds in rows if seconds is not None]


def _tasks(session: Session, project_id: int, ids: list[int]) -> Iterator[SharedTask]:
    readings: dict[int, list[Reading]] = {}
    for row in session.execute(
        select(
            AnnotationRow.task_id,
            AnnotationRow.annotation_id,
            AnnotationRow.user_id,
            AnnotationRow.result,
            AnnotationRow.created_at,
        )
        .where(AnnotationRow.project_id == project_id, AnnotationRow.task_id.in_(ids), *human())
        .order_by(AnnotationRow.annotation_id)
    ):
        readings.setdefault(row.task_id, []).append(
            Reading(
                annotation_id=row.annotation_id,
                user_id=row.user_id,
                result=row.result,
                created_at=row.created_at,
            )
        )
    for row in session.execute(
        select(
            TaskRow.task_id,
            TaskRow.data,
            DecisionRow.purpose,
            DecisionRow.outcome,
            DecisionRow.inclusion_probability,
        )
        .outerjoin(DecisionRow, is_current())
        .where(TaskRow.project_id == project_id, TaskRow.task_id.in_(ids))
        .order_by(TaskRow.task_id)
    ):
        yield SharedTask(
            id=row.task_id,
            data=row.data,
            readings=tuple(readings.get(row.task_id, ())),
            purpose=None if row.purpose is None else Purpose(row.purpose),
            outcome=None if row.outcome is None else Outcome(row.outcome),
            inclusion_probability=row.inclusion_probability,
        )


def _shared(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        TaskRow.project_id == project_id,
        TaskRow.deleted_at.is_(None),
        TaskRow.human_labels > 1,
    )
