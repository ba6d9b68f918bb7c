"""Carrying out an order: by whichever process takes it, from what the database says then."""

from __future__ import annotations

import contextlib
import logging

from audit_jobs.asked import carry_out_request, run_command
from audit_jobs.job_names import APART, NAMES
from audit_jobs.processes import ProcessError, run_apart
from audit_jobs.rounds import run_round
from audit_jobs.running import JobFailedError, run_job
from backend.job_progress import GivenBackError, is_to_end
from backend.leasing import holding
from backend.orders.order import HELP, ROUND, Order, OrderError
from backend.runtime import Runtime
from backend.shared_predicting import help_predicting
from backend.store.projects import active_project

logger = logging.getLogger(__name__)


def carry_out(runtime: Runtime, order: Order) -> bool:
    """Do what the order says; whether it went well: one that did not rests for a while.

    Raises
        OrderError: there is no such work.
    """
    if order.request_id is not None:
        carry_out_request(runtime, order.request_id)
        return True
    if order.job not in {ROUND, HELP, *NAMES}:
        raise OrderError(f"there is no work of the name {order.job!r}")
    with runtime.reads() as session:
        project = active_project(session, order.project_id)
    if project is None:
        return True
    if order.job == HELP:
        with contextlib.suppress(GivenBackError):
            help_predicting(runtime, project.id)
        return True
    if order.job == ROUND:
        with holding(runtime, f"round/{project.id}") as lease:
            return lease is not None and run_round(runtime, project)
    try:
        if order.job in APART:
            command = run_command(order.job, project.id)
            run_apart(runtime.settings, command, order.job, lambda: not is_to_end())
        else:
            run_job(runtime, order.job, project)
    except (JobFailedError, ProcessError) as error:
        logger.warning("%s.failed project=%d error=%s", order.job, project.id, error)
        return False
    return True
