"""Running one job: alone, timed, with a row that says how it went."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import OperationalError

from audit_jobs.jobs import JOBS
from audit_jobs.run_records import recorded
from backend.job_progress import GivenBackError
from backend.leasing import holding
from backend.redaction import redacted, redactor
from backend.runtime import Runtime
from backend.store.engine import lost_to_another
from backend.store.job_requests import is_waiting, link_run
from backend.store.job_runs import close_run, lease_of, open_run, tell_of_run
from backend.store.projects import ConnectedProject, active_project
from connectors.annotation_tool import AnnotationToolError

logger = logging.getLogger(__name__)

# The ``state`` of a report where nothing was done.
ELSEWHERE, DISCONNECTED = "running elsewhere", "disconnected"
CARRIED_OUT = "carried out before"
GIVEN_BACK = "given back: its process was told to end"
_MOST_LOST = 3


class JobFailedError(Exception):
    """A job ended with an error; the message is the one in its row."""


def run_job(
    runtime: Runtime, name: str, project: ConnectedProject, request_id: int | None = None
) -> dict[str, Any]:
    """Run a job for a project and return its report.

    ``request_id`` is the request that the run carries out. Where the same job runs elsewhere
    already, or another run carried the request out, nothing is done and the report says so. Where
    this process is told to end meanwhile the report says that, and the request waits again. Raises
    ``JobFailedError`` after the row was closed: what failed is pending and tried again.
    """
    with holding(runtime, lease_of(name, project.id)) as lease:
        if lease is None:
            return {"state": ELSEWHERE}
        with runtime.sessions.begin() as session:
            if request_id is not None and not is_waiting(session, request_id):
                return {"state": CARRIED_OUT}
            run_id = open_run(session, name, project.id, runtime.now())
            if request_id is not None:
                link_run(session, request_id, run_id)
            # Read anew: another process may have changed policy or sync state meanwhile.
            current = active_project(session, project.id)
        with recorded(runtime, run_id) as record:
            result = _result(runtime, name, project.id, current)
        if isinstance(result, str):  # a library's message may hold the address that it asked
            result = redacted(result, redactor(runtime.settings))
        with runtime.sessions.begin() as session:
            if result == {"state": GIVEN_BACK}:  # it has not ended, as if it had been killed
                tell_of_run(session, run_id, (GIVEN_BACK, None), record.text)
                if request_id is not None:
                    link_run(session, request_id, None)
            else:
                close_run(session, run_id, result, runtime.now(), record.text)
    if isinstance(result, str):
        raise JobFailedError(f"{name}: {result}")
    return result


def _result(
    runtime: Runtime, name: str, project_id: int, current: ConnectedProject | None
) -> dict[str, Any] | str:
    """The job's report, or the text of its error."""
    if current is None:
        return {"state": DISCONNECTED}
    try:
        return dict(_done(runtime, name, current))
    except GivenBackError:
        return {"state": GIVEN_BACK}
    except AnnotationToolError as error:
        logger.warning("job.failed job=%s project=%d error=%s", name, project_id, error)
        return str(error)
    except Exception as error:  # a job's fault must not end the scheduler; the row says it
        logger.exception("job.failed job=%s project=%d", name, project_id)
        return f"{type(error).__name__}: {error}"


def _done(runtime: Runtime, name: str, project: ConnectedProject) -> Mapping[str, Any]:
    """Run the job; once more where its transaction lost against another one. It goes on then."""
    for _ in range(_MOST_LOST):
        try:
            return JOBS[name](runtime, project)
        except OperationalError as error:
            if not lost_to_another(error):
                raise
            logger.warning("job.again job=%s project=%d error=%s", name, project.id, error.orig)
    return JOBS[name](runtime, project)
