"""Use case: read from Label Studio what is new: tasks, answers, deletions.

Webhooks are hints; polling is the truth. Tasks only grow in id, so new ones are read after the
highest known id; answers are read by the time their task changed, on Label Studio's own clock,
with an overlap that covers requests under way; what is read twice is stored once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.answer_rows import answer_rows
from backend.config_changes import take_over
from backend.job_progress import progress
from backend.retraining import ask_visibly
from backend.runtime import Runtime
from backend.store.events import close_events, open_events
from backend.store.mirrors import forget_copies
from backend.store.projects import ConnectedProject, store_sync_state
from backend.store.reopened_deliveries import reopen_accepted, reopen_overtaken
from backend.store.tasks import (
    StoredTask,
    changed_among,
    mark_annotations_deleted,
    mark_tasks_deleted,
    mark_tasks_there,
    standing_annotations,
    store_annotations,
    store_tasks,
    task_ids,
    unknown_annotations,
)
from connectors.annotation_tool import Task
from policies.loading import parse_policy

# How long a request of Label Studio may hold back a change that it has already dated.
OVERLAP = timedelta(seconds=15)


def synchronise(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Read what changed since the last time; how many tasks and new human answers came.

    Each page is stored in a transaction of its own together with how far it reaches, so an
    interruption costs one page at most. Events are closed last: a crash handles them again.
    """
    with runtime.reads() as session:
        newest_event, events = open_events(session, project.id)
    project = _refresh_config(runtime, project)
    totals = {
        "tasks": _read_new_tasks(runtime, project),
        "answers": _read_answers(runtime, project) + _read_told(runtime, project, events),
    }
    with runtime.sessions.begin() as session:
        _apply_deletions(session, project, events, runtime.now())
        reopen_overtaken(session, project.id, runtime.now())
        _request_training(session, project, events, runtime.now())
        close_events(session, project.id, newest_event, runtime.now())
    return totals


def reconcile(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Read the whole project, and notice what came or went without an event that reached us.

    Webhooks are sent once, and a list of what changed names neither what is gone nor an answer that
    Label Studio died of: it was stored, and its task's time stayed the same. What was known
    before the reading began and does not turn up in it is gone, and what was gone before and does
    is not; what came or went meanwhile is not judged.
    """
    began = runtime.now()
    with runtime.reads() as session:
        tasks = set(task_ids(session, project.id))
        annotations = standing_annotations(session, project.id)
    seen: set[int] = set()
    answered: set[int] = set()
    for page in runtime.tool().all_with_annotations(project.id):
        with runtime.sessions.begin() as session:
            store_tasks(session, project.id, _stored(page), runtime.now())
            mark_tasks_there(session, project.id, [task.id for task in page], began)
        with_answers = [task for task in page if task.annotations]
        if with_answers:
            _store_answers(runtime, project, with_answers)
        seen.update(task.id for task in page)
        answered.update(task.id for task in with_answers)
        progress("reading all tasks", len(seen) / max(len(tasks), len(seen)))
    emptied = [each for each, task_id in annotations.items() if task_id not in answered]
    with runtime.sessions.begin() as session:
        mark_tasks_deleted(session, project.id, sorted(tasks - seen), runtime.now())
        changed = mark_annotations_deleted(session, project.id, sorted(emptied), runtime.now())
        reopen_accepted(session, project.id, changed, runtime.now())
    return {"tasks_gone": len(tasks - seen), "annotations_gone": len(emptied)}


def _refresh_config(runtime: Runtime, project: ConnectedProject) -> ConnectedProject:
    return take_over(runtime, project, runtime.tool().project(str(project.id)))


def _read_new_tasks(runtime: Runtime, project: ConnectedProject) -> int:
    count = 0
    for page in runtime.tool().tasks_after(project.id, project.last_task_id):
        with runtime.sessions.begin() as session:
            store_tasks(session, project.id, _stored(page), runtime.now())
            newest = max(task.id for task in page)
            store_sync_state(session, project.id, newest, project.synced_until)
        count += len(page)
        progress(f"reading new tasks: {count:,} so far")
    return count


def _read_answers(runtime: Runtime, project: ConnectedProject) -> int:
    until = project.synced_until
    since = None if until is None else until - OVERLAP
    count = read = 0
    for page in runtime.tool().annotated_since(project.id, since):
        count += _store_answers(runtime, project, page)
        read += len(page)
        progress(f"reading answers: {read:,} tasks so far")
        newest = max(task.updated_at for task in page)
        until = newest if until is None else max(until, newest)
    with runtime.sessions.begin() as session:  # only once every page is stored: their order varies
        store_sync_state(session, project.id, 0, until)
    return count


def _read_told(
    runtime: Runtime, project: ConnectedProject, events: Iterable[tuple[str, dict[str, Any]]]
) -> int:
    """Answers that webhooks told of and that no list has named: Label Studio lost count of them."""
    told = [
        detail
        for action, detail in events
        if action.startswith("ANNOTATION") and action != "ANNOTATIONS_DELETED"
    ]
    ids = {each for detail in told for each in detail.get("annotation_ids", [])}
    with runtime.reads() as session:
        unread = unknown_annotations(session, project.id, ids)
    tasks = {
        task_id
        for detail in told
        if unread.intersection(detail.get("annotation_ids", []))
        for task_id in detail.get("task_ids", [])
    }
    found = runtime.tool().answers_to(project.id, sorted(tasks)) if tasks else []
    return _store_answers(runtime, project, found)


def _store_answers(runtime: Runtime, project: ConnectedProject, page: Sequence[Task]) -> int:
    """Store what is new on a page: most of it was read before, and webhooks wait while we write."""
    tasks = _stored(page)
    said = [(task.id, annotation) for task in page for annotation in task.annotations]
    with runtime.reads() as session:
        rows = answer_rows(session, project, said)
        changed = changed_among(session, project.id, tasks, rows)
    if not changed:
        return 0
    with runtime.sessions.begin() as session:
        now = runtime.now()
        store_tasks(session, project.id, [task for task in tasks if task.id in changed], now)
        return store_annotations(
            session,
            project.id,
            sorted(changed),
            [row for row in rows if row["task_id"] in changed],
            now,
        )


def _apply_deletions(
    session: Session,
    project: ConnectedProject,
    events: Iterable[tuple[str, dict[str, Any]]],
    now: datetime,
) -> None:
    annotations: list[int] = []
    tasks: list[int] = []
    for action, detail in events:
        if action == "ANNOTATIONS_DELETED":
            annotations.extend(detail.get("annotation_ids", []))
        if action == "TASKS_DELETED":
            tasks.extend(detail.get("task_ids", []))
    touched = mark_annotations_deleted(session, project.id, annotations, now)
    reopen_accepted(session, project.id, touched, now)
    mark_tasks_deleted(session, project.id, tasks, now)
    forget_copies(session, project.id, tasks, now)


def _request_training(
    session: Session,
    project: ConnectedProject,
    events: Iterable[tuple[str, dict[str, Any]]],
    now: datetime,
) -> None:
    if any(action == "START_TRAINING" for action, _ in events):
        policy = parse_policy(project.policy_text)
        ask_visibly(session, project, policy, "asked for in Label Studio", now)


def _stored(tasks: Iterable[Task]) -> list[StoredTask]:
    return [StoredTask(id=task.id, data=task.data) for task in tasks]
