"""When jobs are ordered. The only module that knows APScheduler; one scheduler of many leads."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from apscheduler.schedulers.blocking import BlockingScheduler

from audit_jobs.clock_jumps import ClockWatch, Every
from audit_jobs.due import DueWork, last_time
from audit_jobs.leading import Leadership
from backend.erasure import erase_deleted
from backend.inferences.retention import forget_inferences
from backend.orders.order import Order
from backend.orders.queue import OrderQueue, QueueUnreachableError
from backend.runtime import Runtime
from backend.signing_in import forgotten_before
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    BREAKER,
    CORRECTIONS,
    CURVES,
    FIGURES,
    MONITORING,
    forget_before,
    thin_reports,
)
from backend.store.web_sessions import forget_sessions
from backend.store.work_chunks import forget_chunks

logger = logging.getLogger(__name__)

LOOK_S = 1.0
NIGHTLY_LOOK_S = 15.0
FORGET_HOUR = 4  # UTC
RETENTION = timedelta(days=30)
SHARED_FOR = timedelta(hours=1)  # a round takes minutes
EVERY_REPORT_FOR = timedelta(days=2)  # then one a day is kept of what answers change


def build_scheduler(
    runtime: Runtime, queue: OrderQueue, leadership: Leadership
) -> BlockingScheduler:
    """A scheduler that is ready to start: it orders what is due, and forgets, while it leads."""
    scheduler = BlockingScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    watch = Watch(runtime, queue, leadership)
    scheduler.add_job(watch.look, Every(LOOK_S), id="look")
    scheduler.add_job(watch.nightly, Every(NIGHTLY_LOOK_S), id="nightly")
    scheduler.add_job(watch.forget, Every(NIGHTLY_LOOK_S), id="forget")
    ClockWatch(scheduler).start()
    return scheduler


class Watch:
    """Orders what is due, as long as this scheduler leads."""

    def __init__(self, runtime: Runtime, queue: OrderQueue, leadership: Leadership) -> None:
        self._runtime = runtime
        self._queue = queue
        self._leadership = leadership
        self._due = DueWork(runtime)
        self._forgot_for: datetime | None = None

    def look(self) -> None:
        """What webhooks, people and the clock make due."""
        if self._leadership.leads:
            self._place(self._due.look())

    def nightly(self) -> None:
        """What is due once a night, and the orders of workers that died."""
        if self._leadership.leads:
            self._place(self._due.nightly())

    def forget(self) -> None:
        """What nobody will ask for any more: once a night, or as soon as somebody leads after it.

        A new leader does not know whether the last one did: once more costs little.
        """
        due_at = last_time(FORGET_HOUR, self._runtime.now())
        if self._leadership.leads and self._forgot_for != due_at:
            self._forgot_for = due_at
            forget(self._runtime)

    def _place(self, orders: Iterable[Order]) -> None:
        try:
            self._queue.tidy()
            for order in orders:
                if self._leadership.leads and self._queue.place(order):
                    self._due.took(order)
        except QueueUnreachableError as error:  # what is due stays so, for the next look
            logger.warning("orders.not_placed error=%s", error)
            self._due.lost()


def forget(runtime: Runtime) -> None:
    """Delete what nobody will ask for any more: job runs, handled events, figures of the hour.

    And sessions that are over, what deployed models answered, after the days that each policy
    names, and what was deleted in Label Studio, after those that the settings name. What fails
    keeps nothing else from it, and is tried again in the next night.
    """
    for what, step in (
        ("rows", _forget_rows),
        ("tasks", _erase_tasks),
        ("inferences", _forget_answers),
    ):
        try:
            step(runtime)
        except Exception:  # what people were promised to have erased must not wait for the rest
            logger.exception("forget.failed what=%s", what)


def _forget_rows(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        forget_before(session, runtime.now() - RETENTION)
        forget_sessions(session, forgotten_before(runtime.now()))
        forget_chunks(session, runtime.now() - SHARED_FOR)
        for kind in (AGREEMENT, AUDIT, BREAKER, CORRECTIONS, CURVES, FIGURES, MONITORING):
            thin_reports(session, kind, runtime.now() - EVERY_REPORT_FOR)


def _erase_tasks(runtime: Runtime) -> None:
    logger.info("tasks.erased number=%d", erase_deleted(runtime))


def _forget_answers(runtime: Runtime) -> None:
    forgotten = forget_inferences(runtime)
    logger.info(
        "inferences.forgotten deleted=%d blanked=%d keys=%d",
        forgotten.deleted,
        forgotten.blanked,
        forgotten.keys,
    )
