"""How often somebody may try to sign in: by the name that is tried, and by where it comes from.

In memory: a restart forgets it, and it is one process that answers (``backend.web.server``). What
is counted is bounded: with more names than ``_MOST_KEYS`` the one that was tried longest ago is
forgotten, and an address alone can try no more names than it has attempts.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
BY_NAME = 10
BY_ADDRESS = 50  # several people may come through one proxy
_MOST_KEYS = 10_000

_Key = tuple[str, str]


class Attempts:
    """The attempts of the last ``WINDOW`` that did not succeed."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._times: OrderedDict[_Key, deque[datetime]] = OrderedDict()

    def begin(self, name: str | None, address: str) -> int | None:
        """Count an attempt before it is looked at, so that many at once are counted too.

        None where it may go on; else how many seconds there are to wait, and it is not counted.
        """
        limits = _limits(name, address)
        now = self._now()
        with self._lock:
            waits = [self._wait(key, most, now) for key, most in limits.items()]
            if any(waits):
                return max(waits)
            for key in limits:
                self._times.setdefault(key, deque()).append(now)
                self._times.move_to_end(key)
            while len(self._times) > _MOST_KEYS:
                self._times.popitem(last=False)
        return None

    def succeeded(self, name: str | None, address: str) -> None:
        """The attempt was right: the name starts afresh, and the address has one less."""
        with self._lock:
            if name is not None:
                self._times.pop(("name", name), None)
            times = self._times.get(("address", address))
            if times:
                times.pop()

    def _wait(self, key: _Key, most: int, now: datetime) -> int:
        """Whole seconds until one more is taken; 0 where it is taken now."""
        times = self._times.get(key)
        if times is None:
            return 0
        while times and abs(now - times[0]) >= WINDOW:  # the clock may be set back
            times.popleft()
        if not times:
            del self._times[key]
            return 0
        if len(times) < most:
            return 0
        return math.ceil((times[0] + WINDOW - now).total_seconds())


def _limits(name: str | None, address: str) -> dict[_Key, int]:
    limits: dict[_Key, int] = {("address", address): BY_ADDRESS}
    if name is not None:
        limits["name", name] = BY_NAME
    return limits
