"""What a process that runs until it is stopped says, and to which signals it listens."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from types import FrameType


def log_lines() -> None:
    """Lines with a time on standard error, of Labelgate's own alone."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    # A look that takes longer than its interval is normal, and no warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("rq.worker").setLevel(logging.ERROR)


def when_told_to_stop(stop: Callable[[], None]) -> None:
    """Call this on SIGTERM and Ctrl-C, from the signal handler."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
