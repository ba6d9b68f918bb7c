"""``labelgate scheduler``."""

from __future__ import annotations

import logging
import signal
from types import FrameType

import click

from audit_jobs.schedule import build_scheduler
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors


@click.command()
@clear_errors
def scheduler() -> None:
    """Run the jobs on their schedule until stopped; one process for all projects.

    Example: labelgate scheduler
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    # A round that takes longer than the watch interval is normal, and no warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    running = build_scheduler(build_runtime(read_settings()))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        running.shutdown(wait=False)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    running.start()
