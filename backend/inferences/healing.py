"""Tasks that verify an inference and were not noted: found again by what their data says.

A crash, or an answer that never came, may lie between making a task and noting it. Every task
carries the id of its inference, so it is found where it is: read already by the synchronisation, or
in Label Studio alone. An inference is made a task once; a second one is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from backend.bulk_imports import MOST_TASKS
from backend.leasing import Lease
from backend.runtime import Runtime
from backend.store.inference_samples import first_wanted
from backend.store.inference_tasks import (
    INFERENCE_KEY,
    Drawn,
    carrying_tasks,
    decide_anew,
    held_inferences,
    newest_task,
    newest_task_before,
    placed_task,
    store_placed,
)
from backend.store.inferences import DRAWN, LOST
from backend.store.projects import ConnectedProject
from backend.store.tasks import StoredTask, mark_tasks_deleted, store_tasks

# How many of the tasks placed last are looked behind: requests that were given up may still be
# carried out, and their tasks stand among those of the next ones.
_LOOKED_BACK = 2 * MOST_TASKS
# A task of an inference is younger than the inference, but for a clock that was set back.
_MARGIN = timedelta(days=1)


def provenance(drawn: Drawn) -> dict[str, str]:
    """What a task's data says of its inference: not what was predicted, people label blind.

    Data is shown to anyone who may see the task.
    """
    return {
        "id": drawn.inference_id,
        "model_version": drawn.model_version,
        "at": drawn.at.isoformat(),
    }


def inference_of(data: Mapping[str, Any]) -> str | None:
    """The id of the inference that a task of this data verifies; None where it says none."""
    said = data.get(INFERENCE_KEY)
    name = said.get("id") if isinstance(said, dict) else None
    return name if isinstance(name, str) else None


def find_in_store(
    runtime: Runtime, project: ConnectedProject, lease: Lease, *, lost: bool = False
) -> int:
    """Note the tasks that were read without being known for what they are; how many.

    Label Studio need not be there for it: before they are decided as any other task. Tasks that are
    older than every inference that is wanted (or ``lost``, if asked) are not read.
    """
    with runtime.reads() as session:
        since = first_wanted(session, project.id, lost=lost)
        if since is None:
            return 0
        behind = max(
            placed_task(session, project.id, _LOOKED_BACK),
            newest_task_before(session, project.id, since - _MARGIN),
        )
        tasks = carrying_tasks(session, project.id, behind)
    return _note(runtime, project, lease, tasks)


def find_in_tool(runtime: Runtime, project: ConnectedProject, lease: Lease) -> int:
    """The same for tasks that were not read yet; how many."""
    with runtime.reads() as session:
        newest = newest_task(session, project.id)
    found = 0
    for page in runtime.tool().tasks_after(project.id, newest):
        tasks = {task.id: task.data for task in page if inference_of(task.data) is not None}
        found += _note(runtime, project, lease, tasks)
    return found


def _note(
    runtime: Runtime, project: ConnectedProject, lease: Lease, tasks: Mapping[int, dict[str, Any]]
) -> int:
    """Note these tasks as those of their inferences, and take away second ones."""
    names = {task_id: name for task_id, data in tasks.items() if (name := inference_of(data))}
    with runtime.reads() as session:
        held = held_inferences(session, project.id, sorted(set(names.values())))
    placed: dict[int, int] = {}  # row -> task, the first of several
    doubles: list[int] = []
    for task_id, name in sorted(names.items()):
        known = held.get(name)
        if known is None or task_id == known.task_id:
            continue  # of another project, or noted
        wanted = known.state in (DRAWN, LOST) and known.task_id is None
        if wanted and known.row_id not in placed:
            placed[known.row_id] = task_id
        elif known.task_id is not None or known.row_id in placed:
            doubles.append(task_id)
    if placed:
        now = runtime.now()
        with runtime.sessions.begin() as session:
            lease.require(session)
            new = [StoredTask(id=each, data=tasks[each]) for each in placed.values()]
            store_tasks(session, project.id, new, now)
            store_placed(session, placed)
            decide_anew(session, project.id, sorted(placed.values()))
    _take_away(runtime, project, doubles)
    return len(placed)


def _take_away(runtime: Runtime, project: ConnectedProject, doubles: list[int]) -> None:
    """Second tasks of an inference go, but for those that people have begun."""
    if not doubles:
        return
    gone = runtime.tool().remove_untouched(project.id, doubles)
    with runtime.sessions.begin() as session:
        mark_tasks_deleted(session, project.id, gone, runtime.now())
