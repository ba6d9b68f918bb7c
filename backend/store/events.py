"""Webhooks that came in: hints that something changed, kept until a job has looked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.job_tables import EventRow

REHEARSAL = "LABELGATE_REHEARSAL"


def add_event(
    session: Session, project_id: int | None, action: str, detail: dict[str, Any], now: datetime
) -> None:
    """Keep one event; ``detail`` holds ids only, never people's data."""
    session.add(EventRow(project_id=project_id, action=action, detail=detail, received_at=now))


def add_rehearsal(session: Session, word: str, now: datetime) -> None:
    """Keep that a rehearsal's webhook came, for whoever waits for it; no job has to handle it."""
    session.add(EventRow(action=REHEARSAL, detail={"word": word}, received_at=now, handled_at=now))


def rehearsed(session: Session, word: str, since: datetime) -> bool:
    """Whether the webhook with this word has come."""
    recent = select(EventRow.detail).where(
        EventRow.handled_at >= since, EventRow.project_id.is_(None), EventRow.action == REHEARSAL
    )
    return any(detail.get("word") == word for detail in session.scalars(recent))


def open_projects(session: Session) -> set[int]:
    """Projects with events that no job has handled."""
    rows = session.scalars(
        select(EventRow.project_id).where(EventRow.handled_at.is_(None)).distinct()
    )
    return {project_id for project_id in rows if project_id is not None}


def open_events(session: Session, project_id: int) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    """The newest open event's id (0: none) and all open events as (action, detail), in order."""
    rows = session.execute(
        select(EventRow.id, EventRow.action, EventRow.detail)
        .where(EventRow.handled_at.is_(None), EventRow.project_id == project_id)
        .order_by(EventRow.id)
    ).all()
    return (rows[-1].id if rows else 0), [(row.action, row.detail) for row in rows]


def close_events(session: Session, project_id: int, up_to: int, now: datetime) -> None:
    """Mark the events up to this id as handled."""
    session.execute(
        update(EventRow)
        .where(
            EventRow.project_id == project_id,
            EventRow.id <= up_to,
            EventRow.handled_at.is_(None),
        )
        .values(handled_at=now)
    )


def count_open(session: Session) -> int:
    """How many events wait."""
    return (
        session.scalar(
            select(func.count()).select_from(EventRow).where(EventRow.handled_at.is_(None))
        )
        or 0
    )
