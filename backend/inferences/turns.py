"""Whose turn it is: batches are worked on one after the other, so that others get theirs.

Threads of one process share one processor at a time. Four large batches that are read and written
side by side take as long as one after the other, and a webhook that comes meanwhile waits for all
four: for the database, of which each has its part in hand, and for the threads that they take.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """As many batches as may wait are waiting; another try a moment later will find room."""


class Turns:
    """One batch at a time; up to ``waiting`` more may wait for it."""

    def __init__(self, waiting: int) -> None:
        self._room = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn and have it. Raises ``BusyError`` where there is no room to wait."""
        if not self._room.acquire(blocking=False):
            raise BusyError
        try:
            with self._turn:
                yield
        finally:
            self._room.release()
