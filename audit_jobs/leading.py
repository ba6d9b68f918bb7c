"""Which of several schedulers leads: the one that holds the lease ``scheduler`` in the database."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from backend.leasing import LEASE_S, RENEWAL_S
from backend.runtime import Runtime
from backend.store.leases import SCHEDULER, free_lease, take_lease

logger = logging.getLogger(__name__)

# How much sooner than the database says a leader takes itself for deposed: it may be in the middle
# of a look while the lease runs out.
_SAFETY_S = 3.0
_ASK_S = 2.0  # how often one that stands by asks


class Leadership:
    """Asks for the lease from a thread of its own, so that a long look at the work cannot lose it.

    A leader that dies, or cannot reach the database, is followed by another after at most
    ``LEASE_S`` and the ``_ASK_S`` between two questions.
    """

    def __init__(self, runtime: Runtime, lease_s: float = LEASE_S) -> None:
        self._runtime = runtime
        self._lease_s = lease_s
        self.holder = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
        self._until = float("-inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="leadership", daemon=True)

    @property
    def leads(self) -> bool:
        """Whether this process may say what is to be done."""
        return time.monotonic() < self._until

    def start(self) -> None:
        """Ask once, and from now on."""
        self.ask()
        self._thread.start()

    def stop(self) -> None:
        """Give the lease back, so that another leads at once."""
        self._ended.set()
        self._thread.join()
        self._until = float("-inf")
        try:
            with self._runtime.sessions.begin() as session:
                free_lease(session, SCHEDULER, self.holder)
        except SQLAlchemyError as error:  # it runs out by itself
            logger.warning("leader.not_freed error=%s", type(error).__name__)

    def ask(self) -> None:
        """Take the lease, or go on holding it, where nobody else does."""
        led, asked_at = self.leads, time.monotonic()
        try:
            with self._runtime.sessions.begin() as session:
                now = datetime.now(UTC)  # as of every lease: not the time that a job is run for
                taken = take_lease(session, SCHEDULER, self.holder, now, self._lease_s)
        except SQLAlchemyError as error:  # a busy database: it may still be held for a while
            logger.warning("leader.not_asked error=%s", type(error).__name__)
            return
        except Exception:  # a process that lives and never asks again would stand by for ever
            logger.exception("leader.not_asked")
            return
        if taken:
            self._until = asked_at + self._lease_s - _SAFETY_S
        else:
            self._until = float("-inf")
        if led != taken:
            logger.info("leader.%s holder=%s", "leads" if taken else "stands_by", self.holder)

    def _hold(self) -> None:
        while not self._ended.wait(RENEWAL_S if self.leads else _ASK_S):
            self.ask()
