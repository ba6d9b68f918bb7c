"""How many requests an address may send: so many a second, and ten seconds' worth at once.

A token bucket for each address, in memory. Who proves to be Label Studio, or a deployed model, is
not counted: their routes say for themselves when there are too many (``backend.inferences.turns``).
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

AT_ONCE_S = 10.0
_MOST_ADDRESSES = 10_000


class Rates:
    """The buckets of a process; ``a_second`` of 0 lets everything through."""

    def __init__(self, a_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._size = a_second * AT_ONCE_S
        self._clock = clock
        self._lock = threading.Lock()
        # How much is in a bucket, and when that was; the one used longest ago first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Seconds to wait; 0 where the request goes on, which takes one out of the bucket.

        >>> rates = Rates(2, clock=lambda: 0.0)
        >>> [rates.wait("10.0.0.1") for _ in range(21)][-2:], rates.wait("10.0.0.2")
        ([0, 1], 0)
        """
        if not self._a_second:
            return 0
        now = self._clock()
        with self._lock:
            held, at = self._buckets.get(address, (self._size, now))
            held = min(self._size, held + (now - at) * self._a_second)
            goes_on = held >= 1
            self._buckets[address] = (held - goes_on, now)
            self._buckets.move_to_end(address)
            if len(self._buckets) > _MOST_ADDRESSES:
                self._buckets.popitem(last=False)
        return 0 if goes_on else math.ceil((1 - held) / self._a_second)
