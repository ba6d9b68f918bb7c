"""``labelgate scheduler``."""

from __future__ import annotations

import logging
from collections.abc import Callable

import click

from audit_jobs.carrying_out import carry_out
from audit_jobs.leading import Leadership
from audit_jobs.order_threads import OrderThreads
from audit_jobs.process_logs import log_lines, when_told_to_stop
from audit_jobs.schedule import build_scheduler
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.job_progress import given_back_when
from backend.orders.order import Order
from backend.orders.queue import OrderQueue
from backend.orders.redis_queue import open_queue
from backend.runtime import Runtime

logger = logging.getLogger(__name__)


@click.command()
@clear_errors
def scheduler() -> None:
    """Order the jobs that are due until stopped; of several schedulers one leads.

    Where LABELGATE_REDIS_URL is set, `labelgate worker` carries them out, else this process does.

    Example: labelgate scheduler
    """
    log_lines()
    runtime = build_runtime(read_settings())
    redis = open_queue(runtime)
    if redis is None:
        _run_alone(runtime)
    else:
        _run(runtime, redis, lambda: None)


def _run_alone(runtime: Runtime) -> None:
    """Lead, and do the work too."""

    def carried_out(order: Order) -> bool:
        with given_back_when(threads.ended.is_set):
            return carry_out(runtime, order)

    threads = OrderThreads(carried_out)
    threads.start()
    try:
        _run(runtime, threads, threads.ended.set)
    finally:
        threads.stop()


def _run(runtime: Runtime, queue: OrderQueue, end_work: Callable[[], None]) -> None:
    leadership = Leadership(runtime)
    scheduler = build_scheduler(runtime, queue, leadership)
    when_told_to_stop(lambda: scheduler.shutdown(wait=False))
    leadership.start()
    logger.info("scheduler.started leads=%s", leadership.leads)
    try:
        scheduler.start()
    finally:
        end_work()
        leadership.stop()
