"""What jobs measured, and how their runs went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from backend.store.tables import EventRow, JobRunRow, ReportRow

AGREEMENT, ALERT, AUDIT, CYCLE = "agreement", "alert", "audit", "cycle"
BREAKER = "breaker"
CONSENSUS, GOLD = "consensus", "gold"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of a job; ``outcome`` is None while it runs, and for ever where it was killed."""

    id: int
    job: str
    project_id: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    report: dict[str, Any] | None
    error: str | None


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


def newest_report(session: Session, project_id: int, kind: str) -> Report | None:
    """The last report of a kind."""
    row = session.scalar(
        select(ReportRow)
        .where(ReportRow.project_id == project_id, ReportRow.kind == kind)
        .order_by(ReportRow.made_at.desc(), ReportRow.id.desc())
        .limit(1)
    )
    return None if row is None else _report(row)


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


def open_run(session: Session, job: str, project_id: int | None, now: datetime) -> int:
    """Note that a job has begun; its row's id."""
    row = JobRunRow(job=job, project_id=project_id, started_at=now)
    session.add(row)
    session.flush()
    return row.id


def close_run(session: Session, run_id: int, result: dict[str, Any] | str, now: datetime) -> None:
    """Note how a job ended: with a report ("done"), or with an error's text ("failed")."""
    failed = isinstance(result, str)
    session.execute(
        update(JobRunRow)
        .where(JobRunRow.id == run_id)
        .values(
            ended_at=now,
            outcome="failed" if failed else "done",
            report=None if failed else result,
            error=result if failed else None,
        )
    )


def recent_runs(session: Session, limit: int) -> list[JobRun]:
    """The newest runs first."""
    rows = session.scalars(select(JobRunRow).order_by(JobRunRow.id.desc()).limit(limit))
    return [_run(row) for row in rows]


def newest_run(session: Session, job: str, project_id: int) -> JobRun | None:
    """The last run of this job for this project; None where there was none."""
    row = session.scalar(
        select(JobRunRow)
        .where(JobRunRow.job == job, JobRunRow.project_id == project_id)
        .order_by(JobRunRow.id.desc())
        .limit(1)
    )
    return None if row is None else _run(row)


def _run(row: JobRunRow) -> JobRun:
    return JobRun(
        id=row.id,
        job=row.job,
        project_id=row.project_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        report=row.report,
        error=row.error,
    )


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
