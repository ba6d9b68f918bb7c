"""Parts of one job's work that any worker may take: shared out, claimed by lease, done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from backend.store.job_tables import LeaseRow, WorkChunkRow
from backend.store.leases import is_held

_LEASES = "chunk/"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkChunk:
    """Some tasks of a project; ``grounds`` names what they must be worked on with."""

    id: int
    project_id: int
    sharing: str
    grounds: str
    number: int
    task_ids: tuple[int, ...]

    @property
    def lease(self) -> str:
        """The lease that a worker holds while it works on it."""
        return f"{_LEASES}{self.sharing}/{self.number}"


# Not by the row's id: SQLite gives that of a chunk that was let go of to one of a later sharing.
def _lease_name() -> ColumnElement[str]:
    return literal(_LEASES) + WorkChunkRow.sharing + "/" + cast(WorkChunkRow.number, String)


def _is_open(chunk: WorkChunk) -> tuple[ColumnElement[bool], ...]:
    return (
        WorkChunkRow.id == chunk.id,
        WorkChunkRow.sharing == chunk.sharing,
        WorkChunkRow.done_at.is_(None),
    )


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Of a chunk with the lease that it may have: nobody has done it, or works on it."""
    return and_(WorkChunkRow.done_at.is_(None), or_(LeaseRow.name.is_(None), not_(is_held(now))))


def share_out(
    session: Session,
    project_id: int,
    said: tuple[str, str],
    parts: Sequence[Sequence[int]],
    now: datetime,
) -> None:
    """Share these tasks out; what was shared before for the project is of no use any more.

    ``said`` are the sharing's name and its grounds.
    """
    sharing, grounds = said
    session.execute(delete(WorkChunkRow).where(WorkChunkRow.project_id == project_id))
    session.execute(
        insert(WorkChunkRow),
        [
            {
                "project_id": project_id,
                "sharing": sharing,
                "grounds": grounds,
                "number": number,
                "task_ids": list(part),
                "shared_at": now,
            }
            for number, part in enumerate(parts)
        ],
    )


def free_chunks(session: Session, project_id: int, now: datetime, most: int) -> list[WorkChunk]:
    """Chunks that nobody has done or works on now, the first ones; ``now`` is the time of day."""
    rows = session.scalars(
        select(WorkChunkRow)
        .outerjoin(LeaseRow, LeaseRow.name == _lease_name())
        .where(WorkChunkRow.project_id == project_id, _is_free(now))
        .order_by(WorkChunkRow.number)
        .limit(most)
    )
    return [
        WorkChunk(
            id=row.id,
            project_id=row.project_id,
            sharing=row.sharing,
            grounds=row.grounds,
            number=row.number,
            task_ids=tuple(row.task_ids),
        )
        for row in rows
    ]


def count_free_chunks(session: Session, now: datetime) -> dict[int, int]:
    """Project -> how many chunks nobody has done or works on now; none of those without."""
    rows = session.execute(
        select(WorkChunkRow.project_id, func.count().label("chunks"))
        .outerjoin(LeaseRow, LeaseRow.name == _lease_name())
        .where(_is_free(now))
        .group_by(WorkChunkRow.project_id)
    )
    return {row.project_id: row.chunks for row in rows}


def is_open_chunk(session: Session, chunk: WorkChunk) -> bool:
    """Whether it is still wanted, and nobody has done it."""
    return session.scalar(select(WorkChunkRow.id).where(*_is_open(chunk))) is not None


def finish_chunk(session: Session, chunk: WorkChunk, result: bytes | None, now: datetime) -> bool:
    """Keep what came of a chunk; False where it is not wanted any more, or was done already."""
    done = session.execute(
        update(WorkChunkRow).where(*_is_open(chunk)).values(done_at=now, result=result)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def chunks_done(session: Session, project_id: int, sharing: str) -> tuple[int, int]:
    """How many of a sharing's chunks are done, and how many there are."""
    done, every = session.execute(
        select(func.count(WorkChunkRow.done_at), func.count()).where(
            WorkChunkRow.project_id == project_id, WorkChunkRow.sharing == sharing
        )
    ).one()
    return done, every


def chunk_results(session: Session, project_id: int, sharing: str) -> dict[int, bytes]:
    """Number -> what came of the chunk, where somebody else than the sharer keeps it."""
    rows = session.execute(
        select(WorkChunkRow.number, WorkChunkRow.result).where(
            WorkChunkRow.project_id == project_id,
            WorkChunkRow.sharing == sharing,
            WorkChunkRow.result.is_not(None),
        )
    )
    return {number: result for number, result in rows if result is not None}


def close_sharing(session: Session, project_id: int, now: datetime | None) -> int:
    """Let nobody begin a chunk of the project any more; how many are being worked on all the same.

    ``now`` None: let go of all.
    """
    of_project = delete(WorkChunkRow).where(WorkChunkRow.project_id == project_id)
    if now is None:
        session.execute(of_project)
        return 0
    held = select(LeaseRow.name).where(LeaseRow.name.startswith(_LEASES), is_held(now))
    session.execute(
        of_project.where(WorkChunkRow.done_at.is_(None), _lease_name().not_in(held)),
        execution_options={"synchronize_session": False},
    )
    return (
        session.scalar(
            select(func.count()).where(
                WorkChunkRow.project_id == project_id, WorkChunkRow.done_at.is_(None)
            )
        )
        or 0
    )


def forget_chunks(session: Session, before: datetime) -> None:
    """Delete what was shared out by a process that died, and that no round has taken up since."""
    session.execute(delete(WorkChunkRow).where(WorkChunkRow.shared_at < before))
