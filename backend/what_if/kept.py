"""What was gathered, kept in the process for the next move of a slider. Safe between threads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class KeptSamples(Generic[Kept]):
    """A few values by key: each is made once, however many threads ask for it at the same time.

    ``most`` are kept; the one that was asked for longest ago goes first. What failed is not kept:
    everybody who waited for it is told, and the next one tries again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._values: OrderedDict[Hashable, Future[Kept]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """The value of this key; made by ``make`` where there is none, in this thread."""
        with self._lock:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
            else:
                mine: Future[Kept] = Future()
                self._values[key] = mine
                while len(self._values) > self._most:
                    self._values.popitem(last=False)  # who waits for it holds it too
        if found is not None:
            return found.result()
        try:
            value = make()
        except BaseException as error:
            self._forget(key, mine)
            mine.set_exception(error)
            raise
        mine.set_result(value)
        return value

    def _forget(self, key: Hashable, future: Future[Kept]) -> None:
        with self._lock:
            if self._values.get(key) is future:
                del self._values[key]


def rounded(entries: int) -> int:
    """The ledger's length to within a hundredth: so much may come before a sample is drawn anew.

    >>> rounded(100), rounded(1_000), rounded(1_000_123)
    (100, 1000, 999424)
    """
    step = 1 << max(0, entries.bit_length() - 8)
    return entries // step * step
