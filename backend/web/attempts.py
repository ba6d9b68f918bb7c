"""How often somebody may try to sign in: by the name that is tried, and by where it comes from.

An address alone can try no more names than it has attempts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from backend.web.recent_failures import MOST_TIMES, Key, RecentFailures

BY_NAME = 10
BY_ADDRESS = MOST_TIMES  # several people may come through one proxy


class Attempts:
    """The attempts of the last minutes that did not succeed."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures = RecentFailures()

    def begin(self, name: str | None, address: str) -> int | None:
        """Count an attempt before it is looked at, so that many at once are counted too.

        None where it may go on; else how many seconds there are to wait, and it is not counted.
        """
        limits = _limits(name, address)
        now = self._now()
        with self._lock:
            waits = [self._failures.wait_s(key, most, now) for key, most in limits.items()]
            if any(waits):
                return max(waits)
            for key in limits:
                self._failures.add(key, now)
        return None

    def succeeded(self, name: str | None, address: str) -> None:
        """The attempt was right: the name starts afresh, and the address has one less."""
        with self._lock:
            if name is not None:
                self._failures.forget(("name", name))
            self._failures.take_back(("address", address))


def _limits(name: str | None, address: str) -> dict[Key, int]:
    limits: dict[Key, int] = {("address", address): BY_ADDRESS}
    if name is not None:
        limits["name", name] = BY_NAME
    return limits
