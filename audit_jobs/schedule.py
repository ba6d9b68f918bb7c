"""When jobs run. The only module that knows APScheduler; one process, one scheduler."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from apscheduler.schedulers.blocking import BlockingScheduler

from audit_jobs.asked import carry_out_asked, run_command
from audit_jobs.job_names import ROUND, STOPS_NOTHING
from audit_jobs.processes import ProcessError, run_apart
from audit_jobs.running import JobFailedError, run_job
from backend.erasure import erase_deleted
from backend.inferences.retention import forget_inferences
from backend.retraining import attended
from backend.runtime import Runtime
from backend.signing_in import forgotten_before
from backend.store.events import open_projects
from backend.store.projects import ConnectedProject, all_projects
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
from backend.store.training import training_waits
from backend.store.web_sessions import forget_sessions

logger = logging.getLogger(__name__)

WATCH_S = 1.0
FAILED_ROUND_PAUSE_S = 5.0
RETENTION = timedelta(days=30)
EVERY_REPORT_FOR = timedelta(days=2)  # then one a day is kept of what answers change


def build_scheduler(runtime: Runtime) -> BlockingScheduler:
    """A scheduler that is ready to start: rounds, retrainings, and forgetting old job runs."""
    scheduler = BlockingScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    watch = Watch(runtime)
    scheduler.add_job(watch.run_due_rounds, "interval", seconds=WATCH_S, id="rounds")
    scheduler.add_job(watch.retrain, "interval", seconds=WATCH_S, id="retrain")
    for name, slow in (("asked", False), ("asked_slow", True)):
        scheduler.add_job(
            carry_out_asked,
            "interval",
            args=[runtime],
            kwargs={"slow": slow},
            seconds=WATCH_S,
            id=name,
        )
    scheduler.add_job(watch.nightly_apart, "cron", args=["strategies"], hour=1, id="strategies")
    scheduler.add_job(watch.nightly, "cron", args=["thresholds"], hour=1, id="thresholds")
    # Before a freeze: what is drawn is not final yet.
    scheduler.add_job(watch.nightly, "cron", args=["extra_audits"], hour=1, id="extra_audits")
    scheduler.add_job(watch.nightly, "cron", args=["freeze"], hour=2, id="freeze")
    scheduler.add_job(watch.nightly, "cron", args=["reconcile"], hour=3, id="reconcile")
    scheduler.add_job(forget, "cron", hour=4, id="forget", args=[runtime])
    return scheduler


class Watch:
    """Runs a project's round when a webhook came, a model was trained, or a while has passed."""

    def __init__(self, runtime: Runtime, pause: Callable[[float], None] = time.sleep) -> None:
        self._runtime = runtime
        self._pause = pause
        self._looked_at: dict[int, float] = {}

    def run_due_rounds(self) -> None:
        """One look at every project."""
        runtime = self._runtime
        with runtime.reads() as session:
            projects = all_projects(session)
            hinted = open_projects(session)
        for project in projects:
            since = time.monotonic() - self._looked_at.get(project.id, float("-inf"))
            if project.id in hinted or since >= runtime.settings.sync_interval_s:
                self._looked_at[project.id] = time.monotonic()
                if not run_round(runtime, project):
                    # The webhooks are still open: without a pause a Label Studio that is down
                    # would be asked every second.
                    self._pause(FAILED_ROUND_PAUSE_S)

    def retrain(self) -> None:
        """Carry out the training requests that have settled, one project after the other."""
        with self._runtime.reads() as session:
            now = self._runtime.now()
            waiting = [
                project
                for project in all_projects(session)
                if training_waits(session, project.id, now) and not attended(session, project.id)
            ]
        for project in waiting:
            try:
                run_job(self._runtime, "retrain", project)
            except JobFailedError as error:
                logger.warning("retrain.failed project=%d error=%s", project.id, error)
                self._pause(FAILED_ROUND_PAUSE_S)  # the request may still be open
            self._looked_at.pop(project.id, None)  # a new version decides everything again

    def nightly(self, job: str) -> None:
        """Run a job for every project, one after the other; a failure stops no other project's."""
        with self._runtime.reads() as session:
            projects = all_projects(session)
        for project in projects:
            try:
                run_job(self._runtime, job, project)
            except JobFailedError as error:
                logger.warning("%s.failed project=%d error=%s", job, project.id, error)

    def nightly_apart(self, job: str) -> None:
        """The same for a job that trains models: in a process of its own."""
        with self._runtime.reads() as session:
            projects = all_projects(session)
        for project in projects:
            try:
                run_apart(self._runtime.settings, run_command(job, project.id), job)
            except ProcessError as error:
                logger.warning("%s.failed project=%d error=%s", job, project.id, error)


def run_round(runtime: Runtime, project: ConnectedProject) -> bool:
    """The jobs of a round in their order, up to the first that fails; whether all went well.

    Some stop no others, and alerts go out in any case.
    """
    well = True
    for name in ROUND[:-1]:
        if not _went_well(runtime, name, project):
            well = False
            if name not in STOPS_NOTHING:
                break
    return _went_well(runtime, ROUND[-1], project) and well


def _went_well(runtime: Runtime, name: str, project: ConnectedProject) -> bool:
    try:
        run_job(runtime, name, project)
    except JobFailedError:  # logged, and in the job's row; the next round tries again
        return False
    return True


def forget(runtime: Runtime) -> None:
    """Delete what nobody will ask for any more: job runs, handled events, figures of the hour.

    And sessions that are over, what deployed models answered, after the days that each policy
    names, and what was deleted in Label Studio, after those that the settings name.
    """
    with runtime.sessions.begin() as session:
        forget_before(session, runtime.now() - RETENTION)
        forget_sessions(session, forgotten_before(runtime.now()))
        for kind in (AGREEMENT, AUDIT, BREAKER, CORRECTIONS, CURVES, FIGURES, MONITORING):
            thin_reports(session, kind, runtime.now() - EVERY_REPORT_FOR)
    erased = erase_deleted(runtime)
    logger.info("tasks.erased number=%d", erased)
    forgotten = forget_inferences(runtime)
    logger.info(
        "inferences.forgotten deleted=%d blanked=%d keys=%d",
        forgotten.deleted,
        forgotten.blanked,
        forgotten.keys,
    )
