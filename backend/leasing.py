"""Holding a lease while work goes on, so that only one process does it, on any host."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.leases import free_lease, take_lease

logger = logging.getLogger(__name__)

LEASE_S = 15.0  # how long a dead holder blocks the work
RENEWAL_S = 4.0


class LeaseLostError(Exception):
    """The work stood still for so long that another process may have taken it over."""


class Lease:
    """A lease that is held now; renewed by a thread until the ``holding`` block ends."""

    def __init__(self, name: str, holder: str) -> None:
        self.name = name
        self.holder = holder

    def renew(self, session: Session) -> bool:
        """Take the lease for another while; False where somebody else has it."""
        return take_lease(session, self.name, self.holder, _wall_clock(), LEASE_S)

    def require(self, session: Session) -> None:
        """For the transaction that records the result: only the holder may."""
        if not self.renew(session):
            raise LeaseLostError(f"the lease {self.name!r} went to another process")


@contextmanager
def holding(runtime: Runtime, name: str, holder: str | None = None) -> Iterator[Lease | None]:
    """Hold the lease of this name, or None where somebody else does.

    ``holder`` names the holder, which nobody else may use; default: a new name.
    """
    lease = Lease(name, holder or secrets.token_hex(8))
    with runtime.sessions.begin() as session:
        taken = lease.renew(session)
    if not taken:
        yield None
        return
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(runtime, lease, ended), daemon=True)
    renewal.start()
    try:
        yield lease
    finally:
        ended.set()
        renewal.join()
        with runtime.sessions.begin() as session:
            free_lease(session, lease.name, lease.holder)


def _renew(runtime: Runtime, lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(RENEWAL_S):
        try:
            with runtime.sessions.begin() as session:
                lease.renew(session)
        except SQLAlchemyError as error:  # a busy database: the next renewal may do
            logger.warning("lease.renewal_failed name=%s error=%s", lease.name, error)
        except Exception:  # nor may anything else end the renewals of work that goes on
            logger.exception("lease.renewal_failed name=%s", lease.name)


def _wall_clock() -> datetime:
    # Not runtime.now: leases are between processes, whatever time a job is run for.
    return datetime.now(UTC)
