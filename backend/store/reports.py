"""What jobs measured."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from backend.store.job_tables import EventRow, JobRunRow
from backend.store.tables import ProjectRow, ReportRow

AGREEMENT, ALERT, AUDIT, CYCLE = "agreement", "alert", "audit", "cycle"
BREAKER = "breaker"
CONSENSUS, CURVES, GOLD = "consensus", "curves", "gold"
CORRECTIONS, DRIFT, RECALL, THRESHOLD = "corrections", "drift", "recall", "threshold"
FIGURES, SHADOW, STRATEGIES = "figures", "shadow", "strategies"
ALERT_CHANNELS = "alert_channels"
MONITORING = "monitoring"
_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A measured report; ``body`` is the JSON that the page and the commands show."""

    kind: str
    model_version: str | None
    made_at: datetime
    body: dict[str, Any]


def store_report(session: Session, project_id: int, report: Report) -> None:
    """Keep a report."""
    session.add(
        ReportRow(
            project_id=project_id,
            kind=report.kind,
            model_version=report.model_version,
            made_at=report.made_at,
            body=report.body,
        )
    )


def reports(session: Session, project_id: int, kind: str) -> list[Report]:
    """All reports of a kind, oldest first."""
    rows = session.scalars(
        select(ReportRow)
        .where(ReportRow.project_id == project_id, ReportRow.kind == kind)
        .order_by(ReportRow.made_at, ReportRow.id)
    )
    return [_report(row) for row in rows]


def newest_report(
    session: Session, project_id: int, kind: str, before: datetime | None = None
) -> Report | None:
    """The last report of a kind, or the last that was made before a time."""
    when = () if before is None else (ReportRow.made_at < before,)
    row = session.scalar(
        select(ReportRow)
        .where(ReportRow.project_id == project_id, ReportRow.kind == kind, *when)
        .order_by(ReportRow.made_at.desc(), ReportRow.id.desc())
        .limit(1)
    )
    return None if row is None else _report(row)


def newest_reports(session: Session, project_id: int, kind: str, most: int) -> list[Report]:
    """The newest of a kind, oldest first."""
    rows = session.scalars(
        select(ReportRow)
        .where(ReportRow.project_id == project_id, ReportRow.kind == kind)
        .order_by(ReportRow.made_at.desc(), ReportRow.id.desc())
        .limit(most)
    )
    return [_report(row) for row in reversed(rows.all())]


def newest_of_all(session: Session, projects: Collection[int], kind: str) -> dict[int, Report]:
    """Project -> its last report of a kind; one seek a project."""
    newest = (
        select(ReportRow.id)
        .where(ReportRow.project_id == ProjectRow.id, ReportRow.kind == kind)
        .order_by(ReportRow.made_at.desc(), ReportRow.id.desc())
        .limit(1)
        .correlate(ProjectRow)
        .scalar_subquery()
    )
    ids = session.scalars(select(newest).where(ProjectRow.id.in_(projects))).all()
    rows = session.scalars(select(ReportRow).where(ReportRow.id.in_(each for each in ids if each)))
    return {row.project_id: _report(row) for row in rows}


def newest_id(session: Session, project_id: int, kind: str) -> int | None:
    """The number of the last report of a kind: it is another one once something was reported."""
    return session.scalar(
        select(func.max(ReportRow.id)).where(
            ReportRow.project_id == project_id, ReportRow.kind == kind
        )
    )


def newest_by_version(session: Session, project_id: int, kind: str) -> dict[str, Report]:
    """The last report of a kind for each model version that served when it was made."""
    newest = (
        select(func.max(ReportRow.id))
        .where(
            ReportRow.project_id == project_id,
            ReportRow.kind == kind,
            ReportRow.model_version.is_not(None),
        )
        .group_by(ReportRow.model_version)
    )
    rows = session.scalars(select(ReportRow).where(ReportRow.id.in_(newest)).order_by(ReportRow.id))
    return {str(row.model_version): _report(row) for row in rows}


def forget_before(session: Session, time: datetime) -> None:
    """Delete job runs that began, and events that were handled, before this time."""
    session.execute(delete(JobRunRow).where(JobRunRow.started_at < time))
    session.execute(delete(EventRow).where(EventRow.handled_at < time))


def thin_reports(session: Session, kind: str, before: datetime) -> int:
    """Of the reports of a kind made before then keep each project's last of a day; how many went.

    For reports that are made with every answer: their figures of a day's end tell the story.
    """
    rows = session.execute(
        select(ReportRow.id, ReportRow.project_id, ReportRow.made_at)
        .where(ReportRow.kind == kind, ReportRow.made_at < before)
        .order_by(ReportRow.made_at, ReportRow.id)
    ).all()
    kept = {(project_id, made_at.date()): row_id for row_id, project_id, made_at in rows}
    gone = sorted({row_id for row_id, _, _ in rows} - set(kept.values()))
    for start in range(0, len(gone), _IDS_PER_STATEMENT):
        ids = gone[start : start + _IDS_PER_STATEMENT]
        session.execute(delete(ReportRow).where(ReportRow.id.in_(ids)))
    return len(gone)


def _report(row: ReportRow) -> Report:
    return Report(
        kind=row.kind, model_version=row.model_version, made_at=row.made_at, body=row.body
    )
