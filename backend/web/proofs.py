"""How often a request may bring a wrong password, secret or token: by where it comes from.

Programs prove themselves with every request, so a wrong proof is counted once it was looked at, and
what is right counts nothing. Label Studio is never locked out by others: a proof that was right is
taken from the same address for ``TRUSTED``, whatever else is tried from there. In memory, and
bounded.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from backend.web.recent_failures import MOST_KEYS, MOST_TIMES, Key, RecentFailures

BY_PROOF = 10  # of one kind or name, from one address
BY_ADDRESS = MOST_TIMES
TRUSTED = timedelta(days=1)
_LONGEST = 100  # characters of a name that are told apart


class Proofs:
    """Wrong proofs of the last minutes, and which were right within ``TRUSTED``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wrong = RecentFailures()
        self._right: OrderedDict[Key, datetime] = OrderedDict()

    def wait(self, what: str, address: str) -> int:
        """Seconds until a proof is looked at; 0 where it is looked at now."""
        now = self._now()
        key = (address, what[:_LONGEST])
        with self._lock:
            if not self._wrong:
                return 0
            right = self._right.get(key)
            if right is not None and abs(now - right) < TRUSTED:
                return 0
            waits = (
                self._wrong.wait_s(key, BY_PROOF, now),
                self._wrong.wait_s((address, ""), BY_ADDRESS, now),
            )
        return max(waits)

    def wrong(self, what: str, address: str) -> None:
        """Count one."""
        now = self._now()
        with self._lock:
            for key in ((address, what[:_LONGEST]), (address, "")):
                self._wrong.add(key, now)

    def right(self, what: str, address: str) -> None:
        """Remember that this was right from there."""
        key = (address, what[:_LONGEST])
        with self._lock:
            self._right[key] = self._now()
            self._right.move_to_end(key)
            if len(self._right) > MOST_KEYS:
                self._right.popitem(last=False)
