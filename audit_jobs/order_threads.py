"""The queue of a scheduler that does the work itself: in its memory, a thread for every lane."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backend.orders.order import Lane, Order
from backend.orders.order_job import CarryOut
from backend.orders.queue import RESTS_S, LaneSeen, QueueSeen, WorkerSeen

logger = logging.getLogger(__name__)

_PATIENCE_S = 12.0  # for all threads to come to an end: less than who started us waits


@dataclass(slots=True)
class _Waiting:
    """The open orders of a lane, the oldest first, and which of them is being done."""

    orders: deque[tuple[Order, datetime]] = field(default_factory=deque)
    doing: Order | None = None


class OrderThreads:
    """As ``OrderQueue``, and the workers too: ``start`` before orders are carried out."""

    def __init__(self, carry_out: CarryOut, clock: Callable[[], float] = time.monotonic) -> None:
        self._carry_out = carry_out
        self._clock = clock
        self._lanes = {lane: _Waiting() for lane in Lane}
        self._open: set[str] = set()
        self._rests: dict[str, float] = {}
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Carry orders out from now on."""
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"lane-{lane}", daemon=True)
            for lane in Lane
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no order any more, and wait a while for those that were begun."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def ended(self) -> threading.Event:
        """Set as soon as it is to stop: whoever works may give back what is not done."""
        return self._ended

    def place(self, order: Order) -> bool:
        """As ``OrderQueue``."""
        with self._changed:
            if order.name in self._open or self._clock() < self._rests.get(order.name, 0.0):
                return False
            self._rests.pop(order.name, None)
            self._open.add(order.name)
            self._lanes[order.lane].orders.append((order, datetime.now(UTC)))
            self._changed.notify_all()
            return True

    def tidy(self) -> None:
        """As ``OrderQueue``: here orders and who carries them out die together."""
        with self._changed:
            now = self._clock()
            self._rests = {name: until for name, until in self._rests.items() if until > now}

    def look(self) -> QueueSeen:
        """As ``OrderQueue``; this process is the one worker."""
        with self._changed:
            lanes = [
                LaneSeen(
                    lane=lane,
                    waiting=len(each.orders),
                    oldest=each.orders[0][1] if each.orders else None,
                    under_way=int(each.doing is not None),
                )
                for lane, each in self._lanes.items()
            ]
            doing = tuple(each.doing.name for each in self._lanes.values() if each.doing)
        alive = any(thread.is_alive() for thread in self._threads)
        own = WorkerSeen(
            host=socket.gethostname(),
            pid=os.getpid(),
            lanes=tuple(Lane),
            seen_at=datetime.now(UTC),
            doing=doing,
        )
        return QueueSeen(lanes=lanes, workers=[own] if alive else [])

    def carry_out_next(self, lane: Lane) -> bool:
        """Carry out the order of this lane that waits longest; False where none does."""
        with self._changed:
            waiting = self._lanes[lane]
            if not waiting.orders:
                return False
            order, _ = waiting.orders.popleft()
            waiting.doing = order
        well = False
        try:
            well = self._carry_out(order)
        except Exception:  # a fault in one order must not end the lane
            logger.exception("order.failed order=%s", order.name)
        finally:
            with self._changed:
                waiting.doing = None
                self._open.discard(order.name)
                if not well:
                    self._rests[order.name] = self._clock() + RESTS_S
        return True

    def _work(self, lane: Lane) -> None:
        while not self._ended.is_set():
            if not self.carry_out_next(lane):
                with self._changed:
                    if not self._lanes[lane].orders and not self._ended.is_set():
                        self._changed.wait()
