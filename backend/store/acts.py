"""The trail of what people did on the pages and to accounts. Append-only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.page_tables import ActRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who did what when; ``what`` is a dotted word such as ``model.rolled_back``."""

    project_id: int | None
    who: str
    what: str
    detail: Mapping[str, Any]
    at: datetime


def record_act(session: Session, act: Act) -> None:
    """Add it, in the transaction of what was done."""
    session.add(
        ActRow(
            project_id=act.project_id,
            who=act.who,
            what=act.what,
            detail=dict(act.detail),
            at=act.at,
        )
    )


def newest_acts(session: Session, project_id: int | None, limit: int) -> list[Act]:
    """The newest first: of a project, or, with None, all of them."""
    query = select(ActRow).order_by(ActRow.id.desc()).limit(limit)
    if project_id is not None:
        query = query.where(ActRow.project_id == project_id)
    return [_act(row) for row in session.scalars(query)]


def newest_acts_of(session: Session, kinds: Collection[str], limit: int) -> list[Act]:
    """The newest of these kinds first, of all projects."""
    query = select(ActRow).where(ActRow.what.in_(kinds)).order_by(ActRow.id.desc()).limit(limit)
    return [_act(row) for row in session.scalars(query)]


def acts_between(session: Session, project_id: int, start: datetime, end: datetime) -> list[Act]:
    """What was done to a project from ``start`` up to ``end``, oldest first."""
    rows = session.scalars(
        select(ActRow)
        .where(ActRow.project_id == project_id, ActRow.at >= start, ActRow.at < end)
        .order_by(ActRow.id)
    )
    return [_act(row) for row in rows]


def _act(row: ActRow) -> Act:
    return Act(project_id=row.project_id, who=row.who, what=row.what, detail=row.detail, at=row.at)
