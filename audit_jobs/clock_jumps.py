"""A schedule that goes on when the machine's clock is set: to another day, or another year.

APScheduler counts on a clock that only goes forward, and step by step. Set back by an hour, it
waits for that hour; set forward from 1970, as a machine without a battery is once it finds its time
server, it counts every second since.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_JUMP_S = 5.0  # time servers move a clock by less without setting it


class Every(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Again so many seconds from now, whenever it was due before."""

    def __init__(self, seconds: float) -> None:
        self._apart = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """What the scheduler asks: when after ``now``."""
        del previous_fire_time
        return now + self._apart


class ClockWatch:
    """Looks from a thread whether the clock was set, and has every job planned anew."""

    def __init__(
        self,
        scheduler: BaseScheduler,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scheduler = scheduler
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()

    def start(self) -> None:
        """Look once a second, as long as the process lives."""
        threading.Thread(target=self._watch, name="clock-watch", daemon=True).start()

    def look(self) -> bool:
        """One look; whether the clock was set since the last."""
        apart = self._wall() - self._steady()
        moved_s, self._apart = apart - self._apart, apart
        if abs(moved_s) < _JUMP_S:
            return False
        logger.warning("clock.set by_s=%.0f", moved_s)
        for job in self._scheduler.get_jobs():
            now = datetime.now(self._scheduler.timezone)
            job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))
        return True

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            try:
                self.look()
            except Exception:  # the next jump is to be seen all the same
                logger.exception("clock.not_looked_at")
