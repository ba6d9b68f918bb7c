"""Jobs that somebody asked for on the pages, until the scheduler has run them.

A request is carried out once its run is linked, in the transaction that opens the run. One that was
taken by a process which then died has no run, so it is taken again; one whose run was cut off is
open again, a few times: what it asks for may be what kills.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from backend.store.job_runs import lease_of
from backend.store.job_tables import JobRunRow
from backend.store.leases import lease_is_held
from backend.store.page_tables import JobRequestRow
from backend.store.recalls import lock_project


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """Who asked for which job when; ``taken_at`` is when a scheduler last took it up."""

    id: int
    job: str
    project_id: int
    asked_by: str
    why: str
    asked_at: datetime
    taken_at: datetime | None
    run_id: int | None


def ask_for_job(session: Session, request: JobRequest) -> JobRequest:
    """Keep a request; where the same job waits for the project already, that one serves both.

    The number of ``request`` is set by the store.
    """
    lock_project(session, request.project_id)
    waiting = _open().where(
        JobRequestRow.job == request.job, JobRequestRow.project_id == request.project_id
    )
    row = session.scalar(waiting.limit(1))
    if row is None:
        row = JobRequestRow(
            job=request.job,
            project_id=request.project_id,
            asked_by=request.asked_by,
            why=request.why,
            asked_at=request.asked_at,
        )
        session.add(row)
        session.flush()
    return _request(row)


def open_job_requests(
    session: Session, projects: Collection[int] | None = None
) -> list[JobRequest]:
    """Those without a run, taken or not, oldest first; of all projects, or of these."""
    query = _open()
    if projects is not None:
        query = query.where(JobRequestRow.project_id.in_(projects))
    return [_request(row) for row in session.scalars(query)]


def job_request(session: Session, request_id: int) -> JobRequest | None:
    """The request of this number, carried out or not."""
    row = session.get(JobRequestRow, request_id)
    return None if row is None else _request(row)


def take_job_request(session: Session, request_id: int, now: datetime) -> None:
    """Note that a scheduler has taken it up."""
    session.execute(
        update(JobRequestRow).where(JobRequestRow.id == request_id).values(taken_at=now)
    )


def unended_requests(session: Session) -> int:
    """How many requests have a run that has not ended."""
    return (
        session.scalar(
            select(func.count())
            .select_from(JobRequestRow)
            .join(JobRunRow, JobRunRow.id == JobRequestRow.run_id)
            .where(JobRunRow.outcome.is_(None))
        )
        or 0
    )


def reopen_cut_off(session: Session, now: datetime, most: int) -> int:
    """Open the requests whose run has not ended and lives no more; how many.

    ``now`` is the time of day; a request of which ``most`` runs were cut off stays as it is.
    """
    asked, cut_off = JobRequestRow, JobRunRow
    tried = (
        select(func.count())
        .where(
            cut_off.job == asked.job,
            cut_off.project_id == asked.project_id,
            cut_off.started_at >= asked.asked_at,
            cut_off.outcome.is_(None),
        )
        .correlate(asked)
        .scalar_subquery()
    )
    lost = session.scalars(
        select(asked)
        .join(cut_off, cut_off.id == asked.run_id)
        .where(cut_off.outcome.is_(None), tried < most)
    ).all()
    reopened = 0
    for request in lost:
        if not lease_is_held(session, lease_of(request.job, request.project_id), now):
            request.run_id = None
            reopened += 1
    return reopened


def is_waiting(session: Session, request_id: int) -> bool:
    """Whether no run has carried it out; until the transaction ends nobody else links one."""
    row = session.get(JobRequestRow, request_id, with_for_update=True)
    return row is not None and row.run_id is None


def link_run(session: Session, request_id: int, run_id: int | None) -> None:
    """Say which run carries a request out; None: none does any more, so that it waits again."""
    session.execute(
        update(JobRequestRow).where(JobRequestRow.id == request_id).values(run_id=run_id)
    )


def request_of_run(session: Session, run_id: int) -> JobRequest | None:
    """Who asked for a run; None where the schedule did."""
    row = session.scalar(select(JobRequestRow).where(JobRequestRow.run_id == run_id))
    return None if row is None else _request(row)


def _open() -> Select[JobRequestRow]:
    return select(JobRequestRow).where(JobRequestRow.run_id.is_(None)).order_by(JobRequestRow.id)


def _request(row: JobRequestRow) -> JobRequest:
    return JobRequest(
        id=row.id,
        job=row.job,
        project_id=row.project_id,
        asked_by=row.asked_by,
        why=row.why,
        asked_at=row.asked_at,
        taken_at=row.taken_at,
        run_id=row.run_id,
    )
