"""How often a request may bring a wrong password, secret or token: by where it comes from.

Programs prove themselves with every request, so a wrong proof is counted once it was looked at, and
what is right counts nothing. Label Studio is never locked out by others: a proof that was right is
taken from the same address for ``TRUSTED``, whatever else is tried from there. In memory, and
bounded, as ``backend.web.attempts`` is.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
BY_PROOF = 10  # of one kind or name, from one address
BY_ADDRESS = 50
TRUSTED = timedelta(days=1)
_MOST_KEYS = 10_000
_LONGEST = 100  # characters of a name that are told apart

_Key = tuple[str, str]


class Proofs:
    """Wrong proofs of the last ``WINDOW``, and which were right within ``TRUSTED``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wrong: OrderedDict[_Key, deque[datetime]] = OrderedDict()
        self._right: OrderedDict[_Key, datetime] = OrderedDict()

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
            waits = (self._left(key, BY_PROOF, now), self._left((address, ""), BY_ADDRESS, now))
        return max(waits)

    def wrong(self, what: str, address: str) -> None:
        """Count one."""
        now = self._now()
        with self._lock:
            for key in ((address, what[:_LONGEST]), (address, "")):
                self._wrong.setdefault(key, deque(maxlen=BY_ADDRESS)).append(now)
                self._wrong.move_to_end(key)
            while len(self._wrong) > _MOST_KEYS:
                self._wrong.popitem(last=False)

    def right(self, what: str, address: str) -> None:
        """Remember that this was right from there."""
        key = (address, what[:_LONGEST])
        with self._lock:
            self._right[key] = self._now()
            self._right.move_to_end(key)
            if len(self._right) > _MOST_KEYS:
                self._right.popitem(last=False)

    def _left(self, key: _Key, most: int, now: datetime) -> int:
        times = self._wrong.get(key)
        if times is None:
            return 0
        while times and abs(now - times[0]) >= WINDOW:  # the clock may be set back
            times.popleft()
        if not times:
            del self._wrong[key]
            return 0
        if len(times) < most:
            return 0
        # As many as there may be, less one, are left once this one is older than the window.
        return math.ceil((times[-most] + WINDOW - now).total_seconds())
