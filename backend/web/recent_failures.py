"""When something failed within the last while, by whom or where from; in memory, and bounded.

A restart forgets it. An installation has one process that answers (``backend.web.server``); where
it has several, each counts for itself. With more keys than ``MOST_KEYS`` the one that failed
longest ago is forgotten.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
MOST_TIMES = 50  # of one key; no limit is larger
MOST_KEYS = 10_000

Key = tuple[str, str]


class RecentFailures:
    """The failures of the last ``WINDOW``; whoever owns it lets one thread in at a time."""

    def __init__(self) -> None:
        self._times: OrderedDict[Key, deque[datetime]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys have any."""
        return len(self._times)

    def add(self, key: Key, now: datetime) -> None:
        """Count one."""
        self._times.setdefault(key, deque(maxlen=MOST_TIMES)).append(now)
        self._times.move_to_end(key)
        if len(self._times) > MOST_KEYS:
            self._times.popitem(last=False)

    def take_back(self, key: Key) -> None:
        """Count the newest no more."""
        times = self._times.get(key)
        if times:
            times.pop()

    def forget(self, key: Key) -> None:
        """Count none of them any more."""
        self._times.pop(key, None)

    def wait_s(self, key: Key, most: int, now: datetime) -> int:
        """Whole seconds until there are fewer than ``most``; 0 where there are."""
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
        # As many as there may be, less one, are left once this one is older than the window.
        return math.ceil((times[-most] + WINDOW - now).total_seconds())
