"""Leases: one holder a name at a time, on any number of hosts. A dead holder's lease runs out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from backend.store.job_tables import LeaseRow
from backend.store.upsert import upsert


def take_lease(session: Session, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """True where the lease is now this holder's: free, run out, or its own already."""
    upsert(
        session, LeaseRow, [{"name": name, "holder": "", "until": now}], keep=("holder", "until")
    )
    taken = session.execute(
        update(LeaseRow)
        .where(
            LeaseRow.name == name,
            (LeaseRow.until <= now) | (LeaseRow.holder == holder),
        )
        .values(holder=holder, until=now + timedelta(seconds=seconds))
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def free_lease(session: Session, name: str, holder: str) -> None:
    """Give the lease back, if it still is this holder's."""
    session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))


def lease_is_held(session: Session, name: str, now: datetime) -> bool:
    """True while somebody alive holds the lease."""
    row = session.get(LeaseRow, name)
    return row is not None and row.until > now


def held_leases(session: Session) -> list[str]:
    """The names of the leases that somebody alive holds."""
    now = datetime.now(UTC)  # leases run on the wall clock
    return list(
        session.scalars(
            select(LeaseRow.name)
            .where(LeaseRow.until > now, LeaseRow.holder != "")
            .order_by(LeaseRow.name)
        )
    )
