"""Leases: one holder a name at a time, on any number of hosts. A dead holder's lease runs out.

The hosts' clocks must agree within a minute. A lease that runs out later than any that could be
taken now is of a clock that was set back since: it holds nobody up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from backend.store.job_tables import LeaseRow
from backend.store.upsert import upsert

SCHEDULER = "scheduler"  # of the one scheduler that says what is to be done
LONGEST = timedelta(minutes=10)  # no lease is taken for longer
_CLOCKS_DIFFER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A lease that somebody took: its holder, and until when it is theirs unless they renew it."""

    holder: str
    until: datetime


def take_lease(session: Session, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """True where the lease is now this holder's: free, run out, or its own already."""
    until = now + timedelta(seconds=seconds)
    upsert(
        session, LeaseRow, [{"name": name, "holder": "", "until": now}], keep=("holder", "until")
    )
    taken = session.execute(
        update(LeaseRow)
        .where(
            LeaseRow.name == name,
            or_(
                LeaseRow.until <= now,
                LeaseRow.until > until + _CLOCKS_DIFFER,
                LeaseRow.holder == holder,
            ),
        )
        .values(holder=holder, until=until)
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def free_lease(session: Session, name: str, holder: str) -> None:
    """Give the lease back, if it still is this holder's."""
    session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))


def lease_is_held(session: Session, name: str, now: datetime) -> bool:
    """True while somebody alive holds the lease."""
    row = session.get(LeaseRow, name)
    return row is not None and now < row.until <= now + LONGEST


def held_lease(session: Session, name: str) -> HeldLease | None:
    """Who holds the lease, or held it last; None where nobody took it, or it was given back."""
    row = session.get(LeaseRow, name)
    if row is None or not row.holder:
        return None
    return HeldLease(holder=row.holder, until=row.until)


def is_held(now: datetime) -> ColumnElement[bool]:
    """The condition under which a lease is somebody's who is alive."""
    return and_(LeaseRow.until > now, LeaseRow.until <= now + LONGEST)


def held_leases(session: Session) -> list[str]:
    """The names of the leases that somebody alive holds."""
    now = datetime.now(UTC)  # leases run on the wall clock
    return list(
        session.scalars(
            select(LeaseRow.name).where(is_held(now), LeaseRow.holder != "").order_by(LeaseRow.name)
        )
    )
