"""Use case: audits in real secrecy, in a second project of Label Studio.

Label Studio shows a task's predictions and annotations to anyone who asks. A policy may therefore
name a mirror project: audited tasks are copied into it, data alone, and what is answered there
counts as an answer to the original. A copy carries a key that tells which task it is of and nothing
about its decision; by that key it is found again where a crash came between making and noting it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.answer_rows import answer_rows
from backend.bulk_imports import in_requests
from backend.mirrors.keys import KEY, is_copy, key_of
from backend.runtime import Runtime
from backend.store.mirrors import (
    Mirror,
    asked_again,
    copies,
    forget_copies,
    mirror_of,
    standing_mirrored,
    store_copies,
    store_read_until,
    uncopied,
    unwanted,
    without_copy,
)
from backend.store.projects import ConnectedProject
from backend.store.reopened_deliveries import reopen_overtaken
from backend.store.tasks import (
    StoredTask,
    changed_among,
    mark_annotations_deleted,
    store_annotations,
    stored_tasks,
)
from backend.synchronisation import OVERLAP
from connectors.annotation_tool import AnnotationToolRefusedError, Task
from policies.loading import parse_policy

_LOADED = 100  # tasks read from the store at a time: one may carry an image of megabytes


class MirrorError(AnnotationToolRefusedError):
    """The mirror project cannot be used as it is; the message says what to change."""


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Read what was answered in the mirror, and let it hold the audits that wait, no others.

    How many answers came, and how many copies were made, taken away and opened for one more
    answer. Raises ``MirrorError`` where the project cannot be used.
    """
    title = parse_policy(project.policy_text).audit.mirror
    with runtime.reads() as session:
        mirror = mirror_of(session, project.id)
        known = copies(session, project.id)
    if mirror is None and title is not None:
        raise MirrorError(
            f"audit.mirror names {title!r}, which is not set up: run "
            f"`labelgate connect --project {project.id} --policy FILE` again"
        )
    if mirror is None or (title is None and not known):
        return {"answers": 0, "copied": 0, "removed": 0, "asked_again": 0}
    answers = _read_answers(runtime, project, mirror)
    if title is not None:
        keep_config(runtime, mirror.id, project.label_config)
    return {
        "answers": answers,
        "copied": _copy(runtime, project, mirror),
        "removed": _remove(runtime, project, mirror),
        "asked_again": _ask_again(runtime, project, mirror),
    }


def reconcile(runtime: Runtime, project: ConnectedProject) -> dict[str, int]:
    """Read the whole mirror, and notice what was deleted there without an event."""
    with runtime.reads() as session:
        mirror = mirror_of(session, project.id)
        known = copies(session, project.id)
        answers = standing_mirrored(session, project.id)
    if mirror is None or not known:
        return {"copies_gone": 0, "mirrored_answers_gone": 0}
    tool = runtime.tool()
    there: set[int] = set()
    answered: set[int] = set()
    for page in tool.all_with_annotations(mirror.id):
        there.update(task.id for task in page)
        with_answers = [task for task in page if task.annotations]
        if with_answers:
            _store_answers(runtime, project, mirror.id, with_answers)
        answered.update(known[task.id] for task in with_answers if task.id in known)
    gone = sorted(set(known) - there)
    emptied = sorted(each for each, task_id in answers.items() if task_id not in answered)
    with runtime.sessions.begin() as session:
        mark_annotations_deleted(session, project.id, emptied, runtime.now())
        forget_copies(session, project.id, gone, runtime.now())
    return {"copies_gone": len(gone), "mirrored_answers_gone": len(emptied)}


def keep_config(runtime: Runtime, mirror_id: int, label_config: str) -> None:
    """Let the mirror ask what its project asks."""
    seen = runtime.tool().project(str(mirror_id))
    if seen.label_config == label_config:
        return
    try:
        runtime.tool().set_label_config(mirror_id, label_config)
    except AnnotationToolRefusedError as error:
        raise MirrorError(
            f"the mirror project {seen.title!r} (number {seen.id}) cannot take the labelling "
            f"config of its project: {error}; delete or change the answers there that it does "
            "not offer any more, or name another project in audit.mirror"
        ) from error


def _read_answers(runtime: Runtime, project: ConnectedProject, mirror: Mirror) -> int:
    until = mirror.synced_until
    since = None if until is None else until - OVERLAP
    count = 0
    for page in runtime.tool().annotated_since(mirror.id, since):
        count += _store_answers(runtime, project, mirror.id, page)
        newest = max(task.updated_at for task in page)
        until = newest if until is None else max(until, newest)
    with runtime.sessions.begin() as session:  # only once every page is stored: their order varies
        store_read_until(session, project.id, until)
        reopen_overtaken(session, project.id, runtime.now())
    return count


def _store_answers(
    runtime: Runtime, project: ConnectedProject, mirror_id: int, page: Sequence[Task]
) -> int:
    """Store answers to copies as those of the originals; how many are new."""
    known = _known(runtime, project, mirror_id, page)
    page = [task for task in page if task.id in known]
    said = [(known[task.id], annotation) for task in page for annotation in task.annotations]
    with runtime.reads() as session:
        rows = [row | {"mirrored": True} for row in answer_rows(session, project, said)]
        tasks = stored_tasks(session, project.id, [known[task.id] for task in page])
        changed = changed_among(session, project.id, tasks, rows, mirrored=True)
    if not changed:
        return 0
    rows = [row for row in rows if row["task_id"] in changed]
    with runtime.sessions.begin() as session:
        return store_annotations(
            session, project.id, sorted(changed), rows, runtime.now(), mirrored=True
        )


def _known(
    runtime: Runtime, project: ConnectedProject, mirror_id: int, page: Sequence[Task]
) -> dict[int, int]:
    """Copy -> original, those on the page that were never noted among them.

    All that were never noted are looked for at once: an answered one must not be taken for the
    newest of a request whose other copies are not noted yet.
    """
    with runtime.reads() as session:
        known = copies(session, project.id)
    if all(task.id in known or not is_copy(task) for task in page):
        return known
    _find(runtime, project, mirror_id)
    with runtime.reads() as session:
        known = copies(session, project.id)
    strange = [task for task in page if task.id not in known and is_copy(task)]
    return known | _adopt(runtime, project, strange)


def _find(runtime: Runtime, project: ConnectedProject, mirror_id: int) -> int:
    """Note the copies that a crash left unnoted, which are newer than all others; how many."""
    with runtime.reads() as session:
        newest = max(copies(session, project.id), default=0)
    tool = runtime.tool()
    found = 0
    for page in tool.tasks_after(mirror_id, newest):
        found += len(_adopt(runtime, project, [task for task in page if is_copy(task)]))
        # A second copy of the same task, of a request that was still under way.
        tool.remove_untouched(mirror_id, sorted(_doubles(runtime, project, page)))
    return found


def _copy(runtime: Runtime, project: ConnectedProject, mirror: Mirror) -> int:
    """Copy what waits to be audited, once: what a crash left unnoted is found first."""
    with runtime.reads() as session:
        waiting = uncopied(session, project.id)
    if not waiting:
        return 0
    made = _find(runtime, project, mirror.id)
    with runtime.reads() as session:
        waiting = uncopied(session, project.id)
    for chunk in in_requests(_load(runtime, project, waiting), lambda task: task.data):
        data = [task.data | {KEY: key_of(project.id, task.id)} for task in chunk]
        ids = runtime.tool().import_tasks(mirror.id, data)
        with runtime.sessions.begin() as session:
            noted = {task.id: copy_id for task, copy_id in zip(chunk, ids, strict=True)}
            store_copies(session, project.id, noted)
        made += len(ids)
    return made


def _adopt(runtime: Runtime, project: ConnectedProject, strange: Sequence[Task]) -> dict[int, int]:
    """Note copies that were made and not noted; copy -> original."""
    if not strange:
        return {}
    with runtime.reads() as session:
        bare = {key_of(project.id, each): each for each in without_copy(session, project.id)}
    found: dict[int, int] = {}  # original -> copy; the first of several
    for task in strange:
        original = bare.get(task.data[KEY])
        if original is not None:
            found.setdefault(original, task.id)
    with runtime.sessions.begin() as session:
        store_copies(session, project.id, found)
    return {copy_id: original for original, copy_id in found.items()}


def _doubles(runtime: Runtime, project: ConnectedProject, page: Sequence[Task]) -> set[int]:
    """Copies on a page whose original has another copy."""
    with runtime.reads() as session:
        known = copies(session, project.id)
    keys = {key_of(project.id, original) for original in known.values()}
    return {task.id for task in page if task.id not in known and task.data.get(KEY) in keys}


def _remove(runtime: Runtime, project: ConnectedProject, mirror: Mirror) -> int:
    """Take away the copies that nobody has to answer any more, but for those that people began."""
    with runtime.reads() as session:
        found = unwanted(session, project.id)
    return len(take_away(runtime, project.id, mirror.id, found))


def take_away(
    runtime: Runtime, project_id: int, mirror_id: int, copy_ids: Sequence[int]
) -> list[int]:
    """Remove those of these copies that nobody has worked on; the ones that are gone."""
    if not copy_ids:
        return []
    gone = runtime.tool().remove_untouched(mirror_id, copy_ids)
    with runtime.sessions.begin() as session:
        forget_copies(session, project_id, gone, runtime.now())
    return gone


def _ask_again(runtime: Runtime, project: ConnectedProject, mirror: Mirror) -> int:
    """Open the copies that want one more answer."""
    with runtime.reads() as session:
        people = asked_again(session, project.id)
    if not people:
        return 0
    tool = runtime.tool()
    closed = sorted(set(people) - set(tool.open_among(mirror.id, sorted(people))))
    for copy_id in closed:
        try:
            tool.set_overlap(copy_id, people[copy_id] + 1)
        except AnnotationToolRefusedError:  # it is gone; the others must not wait for it
            with runtime.sessions.begin() as session:
                forget_copies(session, project.id, [copy_id], runtime.now())
    return len(closed)


def _load(
    runtime: Runtime, project: ConnectedProject, task_ids: Sequence[int]
) -> Iterator[StoredTask]:
    for start in range(0, len(task_ids), _LOADED):
        with runtime.reads() as session:
            yield from stored_tasks(session, project.id, task_ids[start : start + _LOADED])
