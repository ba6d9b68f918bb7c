"""The runs of jobs: begun, told of while they go on, closed once, and found again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session, aliased, defer

from backend.store.job_tables import JobRunRow, LeaseRow
from backend.store.leases import is_held
from backend.store.tables import ProjectRow

DONE, FAILED = "done", "failed"
OPEN = "open"  # to ask for: not ended, so under way or cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of a job; ``outcome`` is None while it runs, and for ever where it was killed.

    ``stage`` and ``progress`` (0 to 1) are how far it said it was.
    """

    id: int
    job: str
    project_id: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    report: dict[str, Any] | None
    error: str | None
    stage: str | None = None
    progress: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAsked:
    """Which runs are asked for; None leaves a thing open.

    ``outcome`` is done, failed or ``OPEN``, ``before`` the number of a run: older ones are asked
    for. ``projects`` are all that may be told of.
    """

    job: str | None = None
    project_id: int | None = None
    outcome: str | None = None
    before: int | None = None
    projects: Collection[int] | None = None


def lease_of(job: str, project_id: int | None) -> str:
    """The lease that a process holds as long as it runs the job for the project."""
    return f"job/{job}/{project_id}"


def open_run(session: Session, job: str, project_id: int | None, now: datetime) -> int:
    """Note that a job has begun; its row's id."""
    row = JobRunRow(job=job, project_id=project_id, started_at=now)
    session.add(row)
    session.flush()
    return row.id


def tell_of_run(
    session: Session, run_id: int, far: tuple[str | None, float | None], log: str
) -> None:
    """Keep how far a run is (stage, share) and its last lines, while it goes on."""
    session.execute(
        update(JobRunRow)
        .where(JobRunRow.id == run_id, JobRunRow.outcome.is_(None))
        .values(stage=far[0], progress=far[1], log=log)
    )


def close_run(
    session: Session, run_id: int, result: dict[str, Any] | str, now: datetime, log: str = ""
) -> None:
    """Note how a job ended: with a report ("done"), or with an error's text ("failed")."""
    failed = isinstance(result, str)
    session.execute(
        update(JobRunRow)
        .where(JobRunRow.id == run_id)
        .values(
            ended_at=now,
            outcome=FAILED if failed else DONE,
            report=None if failed else result,
            error=result if failed else None,
            log=log or None,
        )
    )


def recent_runs(session: Session, limit: int, asked: RunsAsked | None = None) -> list[JobRun]:
    """The newest runs first."""
    query = _newest_first().where(*_conditions(asked or RunsAsked())).limit(limit)
    return [_run(row) for row in session.scalars(query)]


def newest_run(session: Session, job: str, project_id: int) -> JobRun | None:
    """The last run of this job for this project; None where there was none."""
    asked = RunsAsked(job=job, project_id=project_id)
    return next(iter(recent_runs(session, 1, asked)), None)


def run_numbered(session: Session, run_id: int) -> JobRun | None:
    """The run of this number; None where there is none, or where it is forgotten."""
    row = session.scalar(_newest_first().where(JobRunRow.id == run_id))
    return None if row is None else _run(row)


def log_of_run(session: Session, run_id: int) -> str:
    """The last lines of a run, oldest first."""
    return session.scalar(select(JobRunRow.log).where(JobRunRow.id == run_id)) or ""


def projects_done_since(session: Session, job: str, since: datetime) -> set[int]:
    """The projects for which a run of this job, begun at this time or later, has ended anyhow."""
    found = session.scalars(
        select(JobRunRow.project_id)
        .where(JobRunRow.job == job, JobRunRow.started_at >= since, JobRunRow.outcome.is_not(None))
        .distinct()
    )
    return {project_id for project_id in found if project_id is not None}


def first_run(session: Session, project_id: int) -> datetime | None:
    """When the oldest run that is kept of a project's jobs began; one seek."""
    return session.scalar(
        select(JobRunRow.started_at)
        .where(JobRunRow.project_id == project_id)
        .order_by(JobRunRow.id)
        .limit(1)
    )


def last_runs(session: Session, projects: Collection[int]) -> dict[int, JobRun]:
    """Project -> its newest run of any job; one seek a project."""
    newest = (
        select(func.max(JobRunRow.id))
        .where(JobRunRow.project_id == ProjectRow.id)
        .correlate(ProjectRow)
        .scalar_subquery()
    )
    ids = session.scalars(select(newest).where(ProjectRow.id.in_(projects))).all()
    rows = session.scalars(_newest_first().where(JobRunRow.id.in_(each for each in ids if each)))
    return {row.project_id: _run(row) for row in rows if row.project_id is not None}


def alive_among(session: Session, runs: Sequence[JobRun], now: datetime) -> set[int]:
    """Which of these runs a living process works at.

    A process holds the lease of its job while it runs it, so of a job's open runs only the newest
    can be alive. ``now`` is the time of day: leases run on it, whatever time a job is run for.
    """
    unended = {run.id: lease_of(run.job, run.project_id) for run in runs if run.outcome is None}
    if not unended:
        return set()
    held = set(
        session.scalars(
            select(LeaseRow.name).where(LeaseRow.name.in_(unended.values()), is_held(now))
        )
    )
    followed = aliased(JobRunRow)
    overtaken = session.scalars(
        select(JobRunRow.id).where(
            JobRunRow.id.in_(unended),
            select(followed.id)
            .where(
                followed.project_id == JobRunRow.project_id,
                followed.job == JobRunRow.job,
                followed.id > JobRunRow.id,
            )
            .exists(),
        )
    )
    gone = set(overtaken)
    return {run for run, lease in unended.items() if lease in held and run not in gone}


def _newest_first() -> Select[JobRunRow]:
    return select(JobRunRow).options(defer(JobRunRow.log)).order_by(JobRunRow.id.desc())


def _conditions(asked: RunsAsked) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.job is not None:
        found.append(JobRunRow.job == asked.job)
    if asked.project_id is not None:
        found.append(JobRunRow.project_id == asked.project_id)
    if asked.projects is not None:
        found.append(JobRunRow.project_id.in_(asked.projects))
    if asked.outcome is not None:
        open_ones = JobRunRow.outcome.is_(None)
        found.append(open_ones if asked.outcome == OPEN else JobRunRow.outcome == asked.outcome)
    if asked.before is not None:
        found.append(JobRunRow.id < asked.before)
    return found


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
        stage=row.stage,
        progress=row.progress,
    )
