"""Leases: one holder a name at a time, on any number of hosts. A dead holder's lease runs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from backend.store.job_tables import LeaseRow
from backend.store.upsert import upsert

SCHEDULER = "scheduler"  # of the one scheduler that says what is to be done


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease that somebody took: its holder, and until when it is theirs unless they renew it."""

    holder: str
    until: datetime


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


def held_lease(session: Session, name: str) -> HeldLease | None:
    """Who holds the lease, or held it last; None where nobody took it, or it was given back."""
    row = session.get(LeaseRow, name)
    if row is None or not row.holder:
        return None
    return HeldLease(holder=row.holder, until=row.until)
