"""Versions in shadow: what they said of the incoming tasks beside the version that served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.model_tables import ShadowAnswerRow, ShadowRow
from backend.store.tables import TaskRow
from backend.store.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A version that answers, or has answered, ``tasks`` incoming tasks unseen.

    ``days`` is after how many it ends at the latest (None: no limit), ``promotes`` whether it
    serves afterwards where it did no worse. ``ended_at`` and ``outcome`` are None while it runs.
    """

    id: int
    version: str
    tasks: int
    days: int | None
    promotes: bool
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowAnswer:
    """Two versions' answers to one task; a label is None where there was no answer."""

    task_id: int
    label: str | None
    score: float | None
    serving_version: str
    serving_label: str | None
    serving_score: float | None


def start_shadow(  # noqa: PLR0913 - which version, for how long, and what comes of it
    session: Session,
    project_id: int,
    version: str,
    now: datetime,
    *,
    tasks: int,
    days: int | None,
    promotes: bool,
) -> Shadow:
    """Let a version answer unseen from now on; one a project: another one ends."""
    end_shadows(session, project_id, f"{version} took its place", now)
    row = ShadowRow(
        project_id=project_id,
        version=version,
        tasks=tasks,
        days=days,
        promotes=promotes,
        started_at=now,
    )
    session.add(row)
    session.flush()
    return _shadow(row)


def end_shadows(session: Session, project_id: int, outcome: str, now: datetime) -> int:
    """End what is in shadow, with what came of it; how many were (none or one)."""
    ended = session.execute(
        update(ShadowRow)
        .where(ShadowRow.project_id == project_id, ShadowRow.ended_at.is_(None))
        .values(ended_at=now, outcome=outcome)
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def open_shadow(session: Session, project_id: int) -> Shadow | None:
    """The version that is in shadow now."""
    row = session.scalar(
        select(ShadowRow)
        .where(ShadowRow.project_id == project_id, ShadowRow.ended_at.is_(None))
        .order_by(ShadowRow.id.desc())
        .limit(1)
    )
    return None if row is None else _shadow(row)


def newest_shadow(session: Session, project_id: int, version: str) -> Shadow | None:
    """The last time that a version was in shadow; None where it never was."""
    row = session.scalar(
        select(ShadowRow)
        .where(ShadowRow.project_id == project_id, ShadowRow.version == version)
        .order_by(ShadowRow.id.desc())
        .limit(1)
    )
    return None if row is None else _shadow(row)


def unanswered_arrivals(session: Session, project_id: int, shadow: Shadow, most: int) -> list[int]:
    """Tasks that came since a version is in shadow and that it has not answered, oldest first."""
    answered = select(ShadowAnswerRow.task_id).where(ShadowAnswerRow.shadow_id == shadow.id)
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                TaskRow.created_at >= shadow.started_at,
                TaskRow.task_id.not_in(answered),
            )
            .order_by(TaskRow.created_at, TaskRow.task_id)
            .limit(max(most, 0))
        )
    )


def store_answers(
    session: Session, shadow_id: int, answers: Sequence[ShadowAnswer], now: datetime
) -> None:
    """Keep what two versions said, in bulk; repeating it changes nothing."""
    rows: list[dict[str, Any]] = [
        {
            "shadow_id": shadow_id,
            "task_id": each.task_id,
            "label": each.label,
            "score": each.score,
            "serving_version": each.serving_version,
            "serving_label": each.serving_label,
            "serving_score": each.serving_score,
            "answered_at": now,
        }
        for each in answers
    ]
    upsert(session, ShadowAnswerRow, rows)


def count_answers(session: Session, shadow_id: int) -> int:
    """How many tasks a version has answered in shadow."""
    return session.scalar(select(func.count()).where(ShadowAnswerRow.shadow_id == shadow_id)) or 0


def shadow_answers(session: Session, shadow_id: int) -> list[ShadowAnswer]:
    """All answers given in shadow, by task."""
    rows = session.scalars(
        select(ShadowAnswerRow)
        .where(ShadowAnswerRow.shadow_id == shadow_id)
        .order_by(ShadowAnswerRow.task_id)
    )
    return [
        ShadowAnswer(
            task_id=row.task_id,
            label=row.label,
            score=row.score,
            serving_version=row.serving_version,
            serving_label=row.serving_label,
            serving_score=row.serving_score,
        )
        for row in rows
    ]


def _shadow(row: ShadowRow) -> Shadow:
    return Shadow(
        id=row.id,
        version=row.version,
        tasks=row.tasks,
        days=row.days,
        promotes=row.promotes,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
    )
