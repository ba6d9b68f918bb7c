"""Use case: let every task of a project or of a view show the model's answer, to the end.

Which tasks are asked for stands in the store, and every step behind it is one of the jobs that the
scheduler runs too: wherever it is cut off, by a crash or by hand, the next run goes on, and what
is delivered is not delivered again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from audit_jobs.running import DISCONNECTED, ELSEWHERE, JobFailedError, run_job
from backend.foreign_versions import UNAVAILABLE, register_foreign
from backend.runtime import Runtime
from backend.store.models import champion
from backend.store.prelabels import (
    PrelabelCounts,
    decide_unanswered_anew,
    mark_prelabelled,
    prelabel_counts,
    try_at_once,
    why_undelivered,
)
from backend.store.projects import ConnectedProject
from policies.loading import parse_policy
from policies.models import Foreign

logger = logging.getLogger(__name__)

Pause = Callable[[float], None]

# Between two looks at whether another process is done with a step.
LOOK_S = 1.0
# After a pass that brought nothing on, doubled each time: Label Studio may be restarting.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0
# Passes in a row that bring nothing on before it is given up, about ten minutes; what was asked
# for stays asked for.
MOST_FAILURES = 23


class PrelabellingError(Exception):
    """It cannot be begun, or does not get on; the message says why and what to do."""


def ask(runtime: Runtime, project: ConnectedProject, view: str | None, pause: Pause) -> int:
    """Note which tasks are to show their label: those of the view, or all there are; how many.

    Those that were asked for before and had no answer are asked about once more.

    Raises
        PrelabellingError: nothing is there that could answer.
        JobFailedError, AnnotationToolError: Label Studio did not answer.
    """
    _require_model(runtime, project)
    ids: list[int] | None = None
    if view is not None:
        view_id = runtime.tool().view_id(project.id, view)
        ids = [task.id for task in runtime.tool().tasks_in_view(project.id, view_id)]
    _step(runtime, "sync", project, pause)  # after the view was read: all its tasks are known then
    with runtime.sessions.begin() as session:
        mark_prelabelled(session, project.id, ids)
        decide_unanswered_anew(session, project.id)
    return counts(runtime, project).asked


def counts(runtime: Runtime, project: ConnectedProject) -> PrelabelCounts:
    """How far the tasks are that were asked for."""
    with runtime.reads() as session:
        return prelabel_counts(session, project.id)


def carry_out(runtime: Runtime, project: ConnectedProject, pause: Pause) -> PrelabelCounts:
    """Run the steps until a pass without an error leaves no task that waits.

    Label Studio is asked for the next thousand only when it has taken the last: it sets the pace.
    Where another process runs a step, that one does the work, and this one waits for it.

    Raises
        PrelabellingError: so many passes in a row brought nothing on that somebody has to look.
    """
    failures, thorough = 0, False
    while True:
        before, error = counts(runtime, project), None
        try:
            _pass(runtime, project, pause, thorough=thorough)
        except JobFailedError as failed:
            error = str(failed)
        found = counts(runtime, project)
        if error is None and not found.waiting:
            return found
        failures = 0 if found.done > before.done else failures + 1
        if failures > MOST_FAILURES:
            raise PrelabellingError(_stuck(runtime, project, found, error))
        thorough = failures == 1 and error is None
        if failures or error:
            pause(min(FIRST_PAUSE_S * 2.0 ** max(failures - 1, 0), LONGEST_PAUSE_S))


def _require_model(runtime: Runtime, project: ConnectedProject) -> None:
    """Raises ``PrelabellingError`` where nothing could answer; a foreign model is asked itself."""
    policy = parse_policy(project.policy_text)
    if not policy.shows_answers:
        raise PrelabellingError(
            f"project {project.id} asks what people prefer, and the policy's preferences.prerank "
            "is false: they are shown no model's answer; set it to true to show them one"
        )
    if isinstance(policy.model, Foreign):
        found = register_foreign(runtime, project, policy)
        if found["state"] == UNAVAILABLE and not policy.automation:
            raise PrelabellingError(
                f"{found['why']}; run the same command again once that is mended"
            )
        return
    with runtime.reads() as session:
        serving = champion(session, project.id)
    if serving is None and not policy.automation:
        raise PrelabellingError(
            f"no model serves project {project.id} yet: `labelgate train --project {project.id}` "
            "trains one where there are labels enough"
        )


def _pass(runtime: Runtime, project: ConnectedProject, pause: Pause, *, thorough: bool) -> None:
    """What brings a task to its label in Label Studio, in this order.

    ``thorough`` looks for tasks that are gone before: nobody may have told of them.
    """
    for name in ("reconcile", "sync", "route") if thorough else ("sync", "route"):
        _step(runtime, name, project, pause)
    with runtime.sessions.begin() as session:
        try_at_once(session, project.id, runtime.now())
    _step(runtime, "deliver", project, pause)


def _step(runtime: Runtime, name: str, project: ConnectedProject, pause: Pause) -> None:
    """Run a job, once nobody else does; ``JobFailedError`` as ``run_job`` raises it."""
    while (state := run_job(runtime, name, project).get("state")) == ELSEWHERE:
        pause(LOOK_S)
    if state == DISCONNECTED:
        raise PrelabellingError(
            f"project {project.id} is not connected any more: see labelgate connect"
        )


def _stuck(
    runtime: Runtime, project: ConnectedProject, found: PrelabelCounts, error: str | None
) -> str:
    with runtime.reads() as session:
        why = error or why_undelivered(session, project.id)
    return (
        f"{found.waiting:,} tasks wait and none gets on: "
        f"{why or 'see the last runs in `labelgate jobs log`'}; run the same command again once "
        "that is mended, it goes on where it was"
    )
