"""Drift as the store knows it: the parts of the traffic that people still see more of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.store.inference_tasks import verifying_tasks
from backend.store.reports import DRIFT, newest_report
from backend.store.tables import TaskRow
from policies.drift import RaisedSlice, decayed

_DAY = timedelta(days=1)


def raised_slices(
    session: Session, project_id: int, now: datetime, half_life_days: float
) -> list[RaisedSlice]:
    """The slices that the newest drift report raises, with what is left of each rise now."""
    report = newest_report(session, project_id, DRIFT)
    if report is None:
        return []
    return left_of(report.body.get("raised", ()), now, half_life_days)


def left_of(
    raised: list[Mapping[str, Any]] | tuple[()], now: datetime, half_life_days: float
) -> list[RaisedSlice]:
    """What is left of stored rises at a time; those that have faded are left out."""
    slices = (
        RaisedSlice(
            factor=decayed(each["factor"], _days(each["since"], now), half_life_days),
            most=each["most"],
            label=each["label"],
            field=each["field"],
            value=each["value"],
        )
        for each in raised
    )
    return [part for part in slices if part.factor > 1]


def _days(since: str, now: datetime) -> float:
    """Days gone since then; none where a clock was set back."""
    return max((now - datetime.fromisoformat(since)) / _DAY, 0.0)


def drifted_at(session: Session, project_id: int) -> datetime | None:
    """When the drift was found that is still heeded: older control answers prove nothing now."""
    report = newest_report(session, project_id, DRIFT)
    event = None if report is None else report.body.get("event")
    return None if event is None else datetime.fromisoformat(event["at"])


def count_arrivals(
    session: Session, project_id: int, after: datetime | None, until: datetime | None = None
) -> int:
    """How many tasks became known after a time, up to another one."""
    return (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(*_arrived(project_id), *_between(after, until))
        )
        or 0
    )


def arrivals(
    session: Session,
    project_id: int,
    after: datetime | None,
    until: datetime | None = None,
    newest: int | None = None,
) -> list[tuple[int, datetime]]:
    """The tasks that became known in that time with when they did, newest first.

    Only so many of the newest where ``newest`` is given.
    """
    rows = session.execute(
        select(TaskRow.task_id, TaskRow.created_at)
        .where(*_arrived(project_id), *_between(after, until))
        .order_by(TaskRow.created_at.desc(), TaskRow.task_id.desc())
        .limit(newest)
    )
    return [(row.task_id, row.created_at) for row in rows]


def _arrived(project_id: int) -> tuple[ColumnElement[bool], ...]:
    """The project's own traffic: what was drawn of a deployed model's is no fair part of it."""
    return (
        TaskRow.project_id == project_id,
        TaskRow.task_id.not_in(verifying_tasks(project_id)),
    )


def _between(after: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [TaskRow.deleted_at.is_(None)]
    if after is not None:
        conditions.append(TaskRow.created_at > after)
    if until is not None:
        conditions.append(TaskRow.created_at <= until)
    return conditions
