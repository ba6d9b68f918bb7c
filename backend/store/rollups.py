"""Sums over large tables as a job last made them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.page_tables import RollupRow

COUNTS = "counts"
OPEN_ALERTS = "open_alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """A body of JSON and when it was true."""

    body: dict[str, Any]
    made_at: datetime


def store_rollup(session: Session, project_id: int, kind: str, rollup: Rollup) -> None:
    """Keep it in the place of the one before."""
    session.merge(
        RollupRow(project_id=project_id, kind=kind, body=rollup.body, made_at=rollup.made_at)
    )


def rollups(session: Session, kind: str, projects: Collection[int]) -> dict[int, Rollup]:
    """Project -> the last one of a kind, of these projects."""
    rows = session.scalars(
        select(RollupRow).where(RollupRow.kind == kind, RollupRow.project_id.in_(projects))
    )
    return {row.project_id: Rollup(body=row.body, made_at=row.made_at) for row in rows}


def rollup_of(session: Session, project_id: int, kind: str) -> Rollup | None:
    """The last one of a kind; None before the first."""
    row = session.get(RollupRow, (project_id, kind))
    return None if row is None else Rollup(body=row.body, made_at=row.made_at)
