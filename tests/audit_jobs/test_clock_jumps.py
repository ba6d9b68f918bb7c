"""The schedule goes on when the clock is set, back or forward, by any amount."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from audit_jobs.clock_jumps import ClockWatch, Every

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def scheduler() -> BackgroundScheduler:
    """One that is never started: jobs keep what they were planned for."""
    return BackgroundScheduler(timezone="UTC")


def test_a_clock_set_forward_by_decades_runs_a_job_once(scheduler: BackgroundScheduler) -> None:
    # At boot without a battery it is 1970; an interval of APScheduler would count 1.7e9 seconds.
    job = Job(
        scheduler,
        trigger=Every(1.0),
        func=print,
        args=(),
        kwargs={},
        name="look",
        next_run_time=datetime(1970, 1, 1, tzinfo=UTC),
        executor="default",
        misfire_grace_time=None,
        coalesce=True,
        max_instances=1,
    )
    assert job._get_run_times(NOW) == [datetime(1970, 1, 1, tzinfo=UTC)]


def test_a_clock_set_back_plans_every_job_anew() -> None:
    wall = [1_000_000.0]
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    try:
        watch = ClockWatch(scheduler, wall=lambda: wall[0], steady=lambda: 50.0)
        far = datetime.now(UTC) + timedelta(days=365)  # as planned before it was set back
        scheduler.add_job(print, Every(1.0), id="look", next_run_time=far)
        scheduler.add_job(print, CronTrigger(hour=4), id="nightly", next_run_time=far)
        assert not watch.look()
        wall[0] -= 365 * 86_400
        assert watch.look()
        times = {job.id: job.next_run_time for job in scheduler.get_jobs()}
        assert times["look"] <= datetime.now(UTC) + timedelta(seconds=1)
        assert times["nightly"] <= datetime.now(UTC) + timedelta(days=1)
        assert not watch.look()
    finally:
        scheduler.shutdown()


def test_a_time_server_that_corrects_a_little_plans_nothing_anew(
    scheduler: BackgroundScheduler,
) -> None:
    wall = [1_000_000.0]
    watch = ClockWatch(scheduler, wall=lambda: wall[0], steady=lambda: 50.0)
    wall[0] += 2
    assert not watch.look()


def test_what_is_due_again_and_again_runs() -> None:
    ran = threading.Semaphore(0)
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(ran.release, Every(0.05), max_instances=1)
    scheduler.start()
    try:
        assert all(ran.acquire(timeout=10) for _ in range(3))
    finally:
        scheduler.shutdown()
