"""The tables of the jobs: what asks for them, who may run one, and how each run went.

As in ``backend.store.tables``: rows never leave ``backend.store``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText
from backend.store.tables import ProjectRow


class EventRow(Base):
    """A webhook that came in: a hint, written before it is answered, handled by a job."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int | None]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "handled_at", "project_id"),)


class LeaseRow(Base):
    """Who may do a piece of work now: one holder a name, until a time that the holder renews."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class InstallationRow(Base):
    """The one name of this database's installation: its orders in a Redis that others use too."""

    __tablename__ = "installations"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class WorkChunkRow(Base):
    """A part of one job's work that any worker may do; who does it now holds its lease.

    ``sharing`` is whose work it is part of, ``grounds`` what it must be done with, ``result`` what
    came of it, for whoever shared it.
    """

    __tablename__ = "work_chunks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    sharing: Mapped[str]
    grounds: Mapped[str]
    number: Mapped[int]
    task_ids: Mapped[list[Any]]
    shared_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    result: Mapped[bytes | None]
    __table_args__ = (Index(None, "project_id", "sharing", "number"),)


class JobRunRow(Base):
    """One run of one job: when, how it ended, what it said.

    ``stage`` and ``progress`` (0 to 1) are how far it is, ``log`` its last lines.
    """

    __tablename__ = "job_runs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job: Mapped[str]
    project_id: Mapped[int | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    report: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(LongText)
    stage: Mapped[str | None]
    progress: Mapped[float | None]
    log: Mapped[str | None] = mapped_column(LongText)
    # Pages ask for the newest by any of these; the newest run is that of the highest id.
    __table_args__ = (
        Index(None, "job", "id"),
        Index(None, "project_id", "id"),
        Index(None, "project_id", "job", "id"),
        Index(None, "outcome", "id"),
    )
