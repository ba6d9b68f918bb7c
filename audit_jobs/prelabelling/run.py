"""Use case: let every task of a project or of a view show the model's answer, to the end.

Which tasks are asked for stands in the store, and every step behind it is one of the jobs that the
scheduler runs too: wherever it is cut off, by a crash or by hand, the next run goes on, and what
is delivered is not delivered again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from audit_jobs.running import JobFailedError, run_job
from backend.runtime import Runtime
from backend.store.models import champion
from backend.store.prelabels import PrelabelCounts, mark_prelabelled, prelabel_counts
from backend.store.projects import ConnectedProject
from policies.loading import parse_policy

logger = logging.getLogger(__name__)

# What brings a task to its label in Label Studio, in this order.
STEPS = ("sync", "route", "deliver")
# After a step that failed, or that another process is at: Label Studio may be restarting.
PAUSE_S = 2.0
# Steps in a row that fail before it is given up; what was asked for stays asked for.
MOST_FAILURES = 30


class PrelabellingError(Exception):
    """It cannot be begun, or does not get on; the message says why and what to do."""


def ask(runtime: Runtime, project: ConnectedProject, view: str | None) -> int:
    """Note which tasks are to show their label: those of the view, or all; how many.

    Raises
        PrelabellingError: nothing is there that could answer.
        JobFailedError, AnnotationToolError: Label Studio did not answer.
    """
    policy = parse_policy(project.policy_text)
    with runtime.reads() as session:
        serving = champion(session, project.id)
    if serving is None and not policy.automation:
        raise PrelabellingError(
            f"no model serves project {project.id} yet: `labelgate train --project {project.id}` "
            "trains one where there are labels enough"
        )
    run_job(runtime, "sync", project)
    ids: list[int] | None = None
    if view is not None:
        view_id = runtime.tool().view_id(project.id, view)
        ids = [task.id for task in runtime.tool().tasks_in_view(project.id, view_id)]
    with runtime.sessions.begin() as session:
        mark_prelabelled(session, project.id, ids)
    return counts(runtime, project).asked


def counts(runtime: Runtime, project: ConnectedProject) -> PrelabelCounts:
    """How far the tasks are that were asked for."""
    with runtime.reads() as session:
        return prelabel_counts(session, project.id)


def carry_out(
    runtime: Runtime, project: ConnectedProject, pause: Callable[[float], None]
) -> PrelabelCounts:
    """Run the steps until no task waits any more.

    Label Studio is asked for the next thousand only when it has taken the last: it sets the pace.
    Where another process runs a step, that one does the work, and this one waits for it.

    Raises
        PrelabellingError: so many steps in a row have failed that somebody has to look.
    """
    failures = 0
    while (found := counts(runtime, project)).waiting:
        before, busy, error = found.waiting, False, None
        for name in STEPS:
            try:
                report = run_job(runtime, name, project)
            except JobFailedError as failed:
                error = str(failed)
                break
            busy |= report.get("state") == "running elsewhere"
        stuck = counts(runtime, project).waiting >= before
        failures = failures + 1 if stuck and not busy else 0
        if failures >= MOST_FAILURES:
            raise PrelabellingError(
                f"{before} tasks wait and none gets on: "
                f"{error or 'see the last runs in `labelgate jobs log`'}; run the same command "
                "again once that is mended, it goes on where it was"
            )
        if stuck:
            pause(PAUSE_S)
    return found
