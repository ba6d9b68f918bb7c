"""Job: carry out the project's training request in a process of its own."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import OperationalError

from audit_jobs.processes import ProcessError, ProcessStoppedError, run_apart
from backend.job_progress import is_to_end
from backend.retraining import attended, lease_name
from backend.runtime import Runtime
from backend.store.leases import free_lease
from backend.store.projects import ConnectedProject
from backend.store.training import (
    CANCELLED,
    TrainingRequest,
    attempt_died,
    open_requests,
    training_request,
)

logger = logging.getLogger(__name__)


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Train once if a request waits; returns when the trainer has ended.

    A trainer that died leaves its last words with the request, which is taken up again; one whose
    request was cancelled is stopped. Raises ``ProcessError`` after a death.
    """
    with runtime.reads() as session:
        waiting = open_requests(session, project.id)
        elsewhere = attended(session, project.id)
    if not waiting:
        return {"trained": False}
    if elsewhere:
        return {"trained": False, "state": "running elsewhere"}
    holder = secrets.token_hex(8)
    command = ["train", "--queued", "--holder", holder, "--project", str(project.id)]

    def wanted() -> bool:
        return not is_to_end() and not _cancelled(runtime, waiting)

    try:
        said = run_apart(runtime.settings, command, "the trainer", wanted)
    except ProcessStoppedError:
        state = CANCELLED if _cancelled(runtime, waiting) else "stopped"
        logger.info("training.%s project=%d", state, project.id)
        return {"trained": False, "state": state}
    except ProcessError as error:
        with runtime.sessions.begin() as session:
            attempt_died(session, waiting, str(error), runtime.now())
        raise
    finally:
        # The trainer is dead, whatever killed it: the next attempt need not wait for its lease.
        with runtime.sessions.begin() as session:
            free_lease(session, lease_name(project.id), holder)
    return {"trained": True, "said": said}


def _cancelled(runtime: Runtime, requests: Sequence[TrainingRequest]) -> bool:
    """Whether any of these was cancelled: cancelling closes all that are open."""
    try:
        with runtime.reads() as session:
            return any(training_request(session, each.id).state == CANCELLED for each in requests)
    except OperationalError as error:  # not known: the trainer goes on
        logger.warning("training.not_looked error=%s", error)
        return False
