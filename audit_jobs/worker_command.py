"""``labelgate worker``."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

import click

from audit_jobs.carrying_out import carry_out
from audit_jobs.order_worker import take_orders
from audit_jobs.process_logs import log_lines, when_told_to_stop
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.job_progress import given_back_when
from backend.orders.order import Lane, Order
from backend.orders.redis_queue import open_queue
from backend.settings import SettingsError

logger = logging.getLogger(__name__)

_PATIENCE_S = 12.0  # for a training to stop, once the process is told to


@click.command()
@click.option(
    "--lane",
    "lanes",
    type=click.Choice([lane.value for lane in Lane]),
    multiple=True,
    help="Take orders of this lane alone; may be given several times. Default: of all.",
)
@clear_errors
def worker(lanes: tuple[str, ...]) -> None:
    """Take jobs from Redis and run them until stopped; as many workers as you like.

    Trainings, which take minutes, run beside the other jobs. Stopped by SIGTERM or Ctrl-C it
    finishes what it can soon, and leaves the rest to other workers.

    Example: labelgate worker
    """
    log_lines()
    runtime = build_runtime(read_settings())
    queue = open_queue(runtime)
    if queue is None:
        raise SettingsError(
            "LABELGATE_REDIS_URL is not set, so there is no queue to take jobs from: set it for "
            "the scheduler and the workers alike, or leave the jobs to `labelgate scheduler`"
        )
    chosen = [Lane(lane) for lane in lanes] or list(Lane)
    ended = threading.Event()
    when_told_to_stop(ended.set)

    def carried_out(order: Order) -> bool:
        with given_back_when(ended.is_set):
            return carry_out(runtime, order)

    slow = [lane for lane in chosen if lane is Lane.SLOW]
    quick = [lane for lane in chosen if lane is not Lane.SLOW]
    logger.info("worker.started lanes=%s", ",".join(chosen))
    threads = [
        threading.Thread(target=partial(take_orders, queue, part, carried_out, ended), daemon=True)
        for part in (slow, quick)
        if part
    ]
    for thread in threads:
        thread.start()
    ended.wait()
    deadline = time.monotonic() + _PATIENCE_S  # for both together: who started us waits no longer
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    logger.info("worker.stopped")
