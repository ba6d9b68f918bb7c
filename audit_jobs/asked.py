"""Jobs that people asked for on the pages: ordered like all else, carried out once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from audit_jobs.job_names import APART, SLOW
from audit_jobs.processes import ProcessError, ProcessStoppedError, run_apart
from audit_jobs.running import JobFailedError, run_job
from backend.job_progress import is_to_end
from backend.orders.order import Lane, Order
from backend.runtime import Runtime
from backend.store.job_requests import (
    JobRequest,
    is_waiting,
    job_request,
    link_run,
    open_job_requests,
    reopen_cut_off,
    take_job_request,
    unended_requests,
)
from backend.store.job_runs import close_run, lease_of, open_run
from backend.store.leases import lease_is_held
from backend.store.projects import active_project

logger = logging.getLogger(__name__)

MOST_TRIES = 3  # of what dies in the middle: it may be what kills the process


def run_command(job: str, project_id: int, request_id: int | None = None) -> list[str]:
    """The ``labelgate`` command that runs a job in a process of its own."""
    carried_out = [] if request_id is None else ["--request", str(request_id)]
    return ["jobs", "run", job, "--project", str(project_id), *carried_out]


def asked_orders(runtime: Runtime) -> list[Order]:
    """An order for each request that waits, oldest first.

    A request is open until a run is linked with it that goes on, or has ended; one whose process
    was killed is ordered again. One whose job runs already waits: what it was asked for may have
    come too late for that run.
    """
    with runtime.reads() as session:
        cut_off = unended_requests(session)
    if cut_off:
        with runtime.sessions.begin() as session:
            reopen_cut_off(session, datetime.now(UTC), MOST_TRIES)
    with runtime.reads() as session:
        waiting = [each for each in open_job_requests(session) if not _runs(runtime, each)]
    return [
        Order(
            lane=Lane.SLOW if each.job in SLOW else Lane.ASKED,
            job=each.job,
            project_id=each.project_id,
            request_id=each.id,
        )
        for each in waiting
    ]


def _runs(runtime: Runtime, request: JobRequest) -> bool:
    with runtime.reads() as session:
        # Leases run on the wall clock, whatever time a job is run for.
        lease = lease_of(request.job, request.project_id)
        return lease_is_held(session, lease, datetime.now(UTC))


def carry_out_request(runtime: Runtime, request_id: int) -> None:
    """Run what was asked for, well or not; what came of it stands with its run."""
    with runtime.sessions.begin() as session:
        request = job_request(session, request_id)
        if request is None or request.run_id is not None:
            return
        take_job_request(session, request_id, runtime.now())
        project = active_project(session, request.project_id)
    if project is None:
        _end(runtime, request, "the project is not connected any more")
        return
    try:
        if request.job in APART:
            command = run_command(request.job, project.id, request.id)
            run_apart(runtime.settings, command, request.job, lambda: not is_to_end())
        else:
            run_job(runtime, request.job, project, request.id)
    except (JobFailedError, ProcessError) as error:
        if isinstance(error, ProcessStoppedError) and is_to_end():
            return  # it waits for whoever comes next
        logger.warning("asked.failed job=%s project=%d error=%s", request.job, project.id, error)
        # A process that died before it opened a run would be started again for ever.
        _end(runtime, request, str(error))


def _end(runtime: Runtime, request: JobRequest, error: str) -> None:
    """Keep why it came to nothing as a run of its own, where no run has told it."""
    with runtime.sessions.begin() as session:
        if is_waiting(session, request.id):
            run_id = open_run(session, request.job, request.project_id, runtime.now())
            link_run(session, request.id, run_id)
            close_run(session, run_id, error, runtime.now())
