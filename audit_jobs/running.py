"""Running one job: alone, timed, with a row that says how it went."""

from __future__ import annotations

import logging
from typing import Any

from audit_jobs.jobs import JOBS
from backend.leasing import holding
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject, active_project
from backend.store.reports import close_run, open_run
from connectors.annotation_tool import AnnotationToolError

logger = logging.getLogger(__name__)

# The ``state`` of a report where nothing was done.
ELSEWHERE, DISCONNECTED = "running elsewhere", "disconnected"


class JobFailedError(Exception):
    """A job ended with an error; the message is the one in its row."""


def run_job(runtime: Runtime, name: str, project: ConnectedProject) -> dict[str, Any]:
    """Run a job for a project and return its report.

    Where the same job runs elsewhere already, nothing is done and the report says so. Raises
    ``JobFailedError`` after the row was closed: what failed is pending and tried again.
    """
    with holding(runtime, f"job/{name}/{project.id}") as lease:
        if lease is None:
            return {"state": ELSEWHERE}
        with runtime.sessions.begin() as session:
            run_id = open_run(session, name, project.id, runtime.now())
            # Read anew: another process may have changed policy or sync state meanwhile.
            current = active_project(session, project.id)
        result: dict[str, Any] | str
        try:
            result = dict(JOBS[name](runtime, current)) if current else {"state": DISCONNECTED}
        except AnnotationToolError as error:
            result = str(error)
            logger.warning("job.failed job=%s project=%d error=%s", name, project.id, error)
        except Exception as error:  # a job's fault must not end the scheduler; the row says it
            result = f"{type(error).__name__}: {error}"
            logger.exception("job.failed job=%s project=%d", name, project.id)
        with runtime.sessions.begin() as session:
            close_run(session, run_id, result, runtime.now())
    if isinstance(result, str):
        raise JobFailedError(f"{name}: {result}")
    return result
