"""Use case: erase what is known of a person, and prove afterwards that nothing else was changed.

Label Studio is the source: what stands there still would be read again, so it goes first there.
Figures and the ledger stay, without what leads to the person.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.embeddings.vectors import text_hash
from backend.errors import ErasureError
from backend.leasing import holding
from backend.retraining import ask_visibly
from backend.runtime import Runtime
from backend.store import erasures
from backend.store.acts import Act, record_act
from backend.store.erasures import ErasedTasks, gone_tasks, standing_tasks
from backend.store.lineages import versions_taught_by
from backend.store.models import champion
from backend.store.projects import ConnectedProject, all_projects
from backend.store.pseudonyms import count_answers_of, next_pseudonym, rename_annotator
from backend.store.tasks import stored_tasks
from connectors.label_studio.controls import ControlKind
from connectors.label_studio.labeling import parse_labeling
from policies.loading import parse_policy

logger = logging.getLogger(__name__)

RETENTION = "retention"  # in the trail: who erases what its days are over for
_CHUNK = 500  # tasks of one transaction
_TELLING = (ControlKind.TEXT, ControlKind.NUMBER)  # whose answers are what people wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased of tasks, or would be; ``versions`` learned from them while they were here.

    ``retraining`` says whether a new version was asked for, because one of them serves.
    """

    tasks: int
    annotations: int
    decisions: int
    versions: tuple[str, ...]
    retraining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """An annotator of whom only a number is left that means nobody, with how many answers."""

    pseudonym: int
    answers: int


def erase_tasks(
    runtime: Runtime,
    project: ConnectedProject,
    task_ids: Sequence[int],
    by: str,
    *,
    dry_run: bool = False,
) -> Erased:
    """Erase what these tasks say, and answers that were written to them.

    Raises
        ErasureError: a task is still in Label Studio, from where it would come again.
    """
    wanted = sorted(set(task_ids))
    with runtime.reads() as session:
        standing = standing_tasks(session, project.id, wanted)
        if standing:
            raise ErasureError(
                f"task {standing[0]} is still in Label Studio as far as is known"
                f"{_and_others(len(standing) - 1)}: delete it there (Data Manager > Delete tasks), "
                f"run `labelgate jobs run reconcile --project {project.id}`, and then this again"
            )
        gone = gone_tasks(session, project.id, wanted, runtime.now(), len(wanted))
        versions = tuple(versions_taught_by(session, project.id, gone))
    if dry_run:
        return Erased(
            tasks=len(gone), annotations=0, decisions=0, versions=versions, retraining=False
        )
    erased = _erase(runtime, project, gone, by)
    with runtime.sessions.begin() as session:
        serving = champion(session, project.id)
        stale = serving is not None and serving.version in versions
        if stale:
            policy = parse_policy(project.policy_text)
            why = f"{erased.tasks} tasks that it learned from were erased"
            ask_visibly(session, project, policy, why, runtime.now())
    return Erased(
        tasks=erased.tasks,
        annotations=erased.annotations,
        decisions=erased.decisions,
        versions=versions,
        retraining=stale,
    )


def erase_deleted(runtime: Runtime) -> int:
    """Erase what has been gone from Label Studio for longer than the settings keep it; how many."""
    days = runtime.settings.deleted_task_days
    if days is None:
        return 0
    before = runtime.now() - timedelta(days=days)
    with runtime.reads() as session:
        projects = all_projects(session)
    erased = 0
    for project in projects:
        try:
            for gone in _chunks_gone(runtime, project, before):
                erased += _erase(runtime, project, gone, RETENTION).tasks
        except Exception:  # others were promised the same; it is tried again in the next night
            logger.exception("tasks.not_erased project=%d", project.id)
    return erased


def erase_annotator(runtime: Runtime, user_id: int, by: str, *, dry_run: bool = False) -> Renamed:
    """Put a number that means nobody in the place of somebody who answers no more.

    Raises
        ErasureError: the account is still in Label Studio, or nothing of it is known here.
        AnnotationToolError: Label Studio cannot be asked.
    """
    member = next((user for user in runtime.tool().users() if user.id == user_id), None)
    if member is not None:
        raise ErasureError(
            f"user {user_id} is still a member in Label Studio, from where the number would come "
            "again with the next answer that is read: delete the account there (Organization), and "
            "then run this again"
        )
    with holding(runtime, "erasure") as lease, runtime.sessions.begin() as session:
        if lease is None:  # both would take the same number, and two people would be one
            raise ErasureError("another annotator is being erased: run this again in a minute")
        answers = count_answers_of(session, user_id)
        if user_id <= 0 or not answers:
            raise ErasureError(
                f"no answer of user {user_id} is known here; the number of a person stands in "
                "Label Studio's address of the account, and on the page of a decision"
            )
        pseudonym = next_pseudonym(session)
        if not dry_run:
            rename_annotator(session, user_id, pseudonym)
            detail = {"annotator": pseudonym, "answers": answers}
            _record(session, None, by, "annotator.erased", (detail, runtime.now()))
    return Renamed(pseudonym=pseudonym, answers=answers)


def erase_account(runtime: Runtime, name: str, by: str) -> str:
    """Close an account of the pages for good; the name that stands for it in the trail.

    Raises
        ErasureError: there is none of this name.
    """
    with runtime.sessions.begin() as session:
        stands_in = erasures.erase_account(session, name, runtime.now())
        if stands_in is None:
            raise ErasureError(f"there is no account {name!r}: `labelgate accounts list` shows all")
        _record(session, None, by, "account.erased", ({"account": stands_in}, runtime.now()))
    return stands_in


def _erase(
    runtime: Runtime, project: ConnectedProject, task_ids: Sequence[int], by: str
) -> ErasedTasks:
    """Chunk by chunk, each with its line in the trail: after a crash the rest is still to do."""
    answers = any(
        control.kind in _TELLING for control in parse_labeling(project.label_config).controls
    )
    total = ErasedTasks()
    for start in range(0, len(task_ids), _CHUNK):
        chunk = task_ids[start : start + _CHUNK]
        now = runtime.now()
        with runtime.sessions.begin() as session:
            hashes = [text_hash(text) for text in _texts(session, project.id, chunk)]
            erasures.erase_vectors(session, hashes)
            found = erasures.erase_tasks(session, project.id, chunk, now, answers=answers)
            detail = {"tasks": found.tasks, "decisions": found.decisions}
            _record(session, project.id, by, "tasks.erased", (detail, now))
        total += found
    return total


def _chunks_gone(
    runtime: Runtime, project: ConnectedProject, before: datetime
) -> Iterable[list[int]]:
    while True:
        with runtime.reads() as session:
            gone = gone_tasks(session, project.id, None, before, _CHUNK)
        if not gone:
            return
        yield gone


def _texts(session: Session, project_id: int, task_ids: Sequence[int]) -> list[str]:
    """Every text in the data of these tasks."""
    return [
        value
        for task in stored_tasks(session, project_id, task_ids)
        for value in task.data.values()
        if isinstance(value, str)
    ]


def _and_others(number: int) -> str:
    return f", and {number:,} more of these" if number else ""


def _record(
    session: Session,
    project_id: int | None,
    by: str,
    what: str,
    said: tuple[dict[str, Any], datetime],
) -> None:
    detail, at = said
    record_act(session, Act(project_id=project_id, who=by, what=what, detail=detail, at=at))
