"""Whose answers count: everybody's but those of people whom gold has shown to be too often wrong.

The one place that says so. Nothing is deleted: whoever counts again has all answers back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from backend.store.tables import AnnotationRow, StoppedRow


def counting_users() -> ColumnElement[bool]:
    """The condition under which an annotation is by somebody whose answers count."""
    return ~exists().where(
        StoppedRow.project_id == AnnotationRow.project_id,
        StoppedRow.user_id == AnnotationRow.user_id,
    )


def stopped_users(session: Session, project_id: int) -> dict[int, str]:
    """User id -> why that person's answers have stopped counting."""
    rows = session.execute(
        select(StoppedRow.user_id, StoppedRow.why)
        .where(StoppedRow.project_id == project_id)
        .order_by(StoppedRow.user_id)
    )
    return dict(rows.all())


def store_stopped(
    session: Session, project_id: int, stopped: Mapping[int, str], now: datetime
) -> set[int]:
    """Let these people's answers not count, with why, and all others' again; whom that changed."""
    before = stopped_users(session, project_id)
    back = before.keys() - stopped.keys()
    session.execute(
        delete(StoppedRow).where(
            StoppedRow.project_id == project_id, StoppedRow.user_id.in_(sorted(back))
        )
    )
    new = stopped.keys() - before.keys()
    session.add_all(
        StoppedRow(project_id=project_id, user_id=user_id, since=now, why=stopped[user_id])
        for user_id in sorted(new)
    )
    session.flush()
    return back | new
