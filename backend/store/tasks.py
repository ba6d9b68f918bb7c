"""Tasks as they were read from Label Studio, and what people said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.annotators import counting_users
from backend.store.tables import AnnotationRow, GoldRow, TaskRow
from backend.store.upsert import upsert

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """A task with its data."""

    id: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's label of one task."""

    task_id: int
    user_id: int
    label: str


def store_tasks(
    session: Session, project_id: int, tasks: Iterable[StoredTask], now: datetime
) -> None:
    """Add tasks; the data of a known task is refreshed."""
    rows = [
        {"project_id": project_id, "task_id": task.id, "data": task.data, "created_at": now}
        for task in tasks
    ]
    upsert(session, TaskRow, rows, keep=("created_at",))


def mark_tasks_deleted(
    session: Session, project_id: int, task_ids: Sequence[int], now: datetime
) -> None:
    """Tasks that are gone from Label Studio; their history stays."""
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        session.execute(
            update(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
            .values(deleted_at=now)
        )


def stored_tasks(session: Session, project_id: int, task_ids: Sequence[int]) -> list[StoredTask]:
    """These tasks with their data, by id; unknown ids are left out."""
    found: list[StoredTask] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(TaskRow.task_id, TaskRow.data)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
            .order_by(TaskRow.task_id)
        )
        found.extend(StoredTask(id=row.task_id, data=row.data) for row in rows)
    return found


def task_ids(session: Session, project_id: int) -> list[int]:
    """All task ids that are not deleted, ascending."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(TaskRow.project_id == project_id, TaskRow.deleted_at.is_(None))
            .order_by(TaskRow.task_id)
        )
    )


def count_tasks(session: Session, project_id: int) -> int:
    """Tasks that are not deleted."""
    return (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(TaskRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        )
        or 0
    )


def standing_annotations(session: Session, project_id: int) -> dict[int, int]:
    """Annotation id -> task id of every annotation, people's and the robot's, that still stands."""
    rows = session.execute(
        select(AnnotationRow.annotation_id, AnnotationRow.task_id).where(
            AnnotationRow.project_id == project_id, AnnotationRow.deleted_at.is_(None)
        )
    )
    return {row.annotation_id: row.task_id for row in rows}


def unlabelled_task_ids(session: Session, project_id: int) -> list[int]:
    """Tasks that no person has labelled and no freeze made final, ascending."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                TaskRow.human_labels == 0,
                TaskRow.freeze_id.is_(None),
            )
            .order_by(TaskRow.task_id)
        )
    )


def store_annotations(
    session: Session,
    project_id: int,
    task_ids: Sequence[int],
    rows: Sequence[dict[str, Any]],
    now: datetime,
) -> int:
    """Replace what is known of these tasks' annotations; the number of new human answers.

    ``rows`` are all annotations that the tasks have now (keys as ``AnnotationRow``, without
    ``project_id``, ``first_seen_at`` and ``deleted_at``). One that is not among them any more is
    marked deleted. Human labels are counted anew.
    """
    known = {
        annotation_id
        for start in range(0, len(task_ids), _IDS_PER_STATEMENT)
        for annotation_id in session.scalars(
            select(AnnotationRow.annotation_id).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.deleted_at.is_(None),
            )
        )
    }
    present = {row["annotation_id"] for row in rows}
    upsert(
        session,
        AnnotationRow,
        [
            {"project_id": project_id, "first_seen_at": now, "deleted_at": None, **row}
            for row in rows
        ],
        keep=("first_seen_at",),
    )
    mark_annotations_deleted(session, project_id, sorted(known - present), now)
    recount(session, project_id, task_ids)
    return sum(
        1
        for row in rows
        if row["annotation_id"] not in known and not row["by_robot"] and not row["was_cancelled"]
    )


def changed_among(
    session: Session,
    project_id: int,
    tasks: Sequence[StoredTask],
    rows: Sequence[dict[str, Any]],
) -> set[int]:
    """Those of ``tasks`` whose data or annotations (``rows``, as above) are not stored as given."""
    ids = [task.id for task in tasks]
    data = {task.id: task.data for task in stored_tasks(session, project_id, ids)}
    changed = {task.id for task in tasks if data.get(task.id) != task.data}
    known = {
        row.annotation_id: row
        for start in range(0, len(ids), _IDS_PER_STATEMENT)
        for row in session.scalars(
            select(AnnotationRow).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.deleted_at.is_(None),
            )
        )
    }
    for row in rows:
        before = known.pop(row["annotation_id"], None)
        if before is None or any(getattr(before, name) != row[name] for name in row):
            changed.add(row["task_id"])
    return changed | {gone.task_id for gone in known.values()}


def mark_annotations_deleted(
    session: Session, project_id: int, annotation_ids: Sequence[int], now: datetime
) -> list[int]:
    """Annotations that are gone from Label Studio; the tasks they belonged to, counted anew."""
    touched: set[int] = set()
    for start in range(0, len(annotation_ids), _IDS_PER_STATEMENT):
        chosen = (
            AnnotationRow.project_id == project_id,
            AnnotationRow.annotation_id.in_(annotation_ids[start : start + _IDS_PER_STATEMENT]),
            AnnotationRow.deleted_at.is_(None),
        )
        touched.update(session.scalars(select(AnnotationRow.task_id).where(*chosen)))
        session.execute(update(AnnotationRow).where(*chosen).values(deleted_at=now))
    recount(session, project_id, sorted(touched))
    return sorted(touched)


def recount(session: Session, project_id: int, task_ids: Sequence[int]) -> None:
    """Count the human labels of these tasks anew."""
    counted = (
        select(func.count())
        .select_from(AnnotationRow)
        .where(*human(), AnnotationRow.project_id == TaskRow.project_id)
        .where(AnnotationRow.task_id == TaskRow.task_id)
        .scalar_subquery()
    )
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        session.execute(
            update(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
            .values(human_labels=counted)
            .execution_options(synchronize_session=False)
        )


def recount_users(session: Session, project_id: int, users: Collection[int]) -> None:
    """Count the human labels of all tasks anew that these people have answered."""
    ids = session.scalars(
        select(AnnotationRow.task_id)
        .where(AnnotationRow.project_id == project_id, AnnotationRow.user_id.in_(sorted(users)))
        .distinct()
    )
    recount(session, project_id, sorted(ids))


def human_votes(session: Session, project_id: int) -> list[Vote]:
    """Every standing human label that counts, each person's newest one a task, oldest first."""
    return _votes(session, AnnotationRow.project_id == project_id, *human())


def votes_among(session: Session, project_id: int, task_ids: Sequence[int]) -> list[Vote]:
    """The same of these tasks, whether they count or not."""
    found: list[Vote] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        chosen = AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT])
        found += _votes(session, AnnotationRow.project_id == project_id, chosen, *standing())
    return found


def _votes(session: Session, *conditions: Any) -> list[Vote]:
    rows = session.execute(
        select(AnnotationRow.task_id, AnnotationRow.user_id, AnnotationRow.label)
        .where(*conditions)
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
    )
    newest: dict[tuple[int, int], Vote] = {}
    for task_id, user_id, label in rows:
        if label is not None:
            newest[task_id, user_id] = Vote(task_id=task_id, user_id=user_id, label=label)
    return list(newest.values())


def answers(votes: Iterable[Vote]) -> dict[int, str]:
    """One label a task: the most frequent, ties to the one that was given first.

    Who gave them does not count here; see ``backend.store.escalations.final_labels``.
    """
    by_task: dict[int, Counter[str]] = {}
    for vote in votes:
        by_task.setdefault(vote.task_id, Counter())[vote.label] += 1
    return {task_id: counts.most_common(1)[0][0] for task_id, counts in by_task.items()}


def answered_between(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> tuple[datetime, datetime] | None:
    """When the first and the last standing human answer to these tasks were given."""
    ends: list[datetime] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        first, last = session.execute(
            select(func.min(AnnotationRow.created_at), func.max(AnnotationRow.created_at)).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                *human(),
            )
        ).one()
        ends += [each for each in (first, last) if each is not None]
    return (min(ends), max(ends)) if ends else None


def answered_after(session: Session, project_id: int, since: datetime) -> set[int]:
    """Tasks whose standing human answers were all given after ``since``."""
    return set(
        session.scalars(
            select(AnnotationRow.task_id)
            .where(AnnotationRow.project_id == project_id, *human())
            .group_by(AnnotationRow.task_id)
            .having(func.min(AnnotationRow.created_at) > since)
        )
    )


def count_human_labels(session: Session, project_id: int) -> int:
    """Every human look so far: labels that people gave and that still stand, counting or not."""
    return (
        session.scalar(
            select(func.count())
            .select_from(AnnotationRow)
            .where(AnnotationRow.project_id == project_id, *standing())
        )
        or 0
    )


def count_new_labels(session: Session, project_id: int) -> int:
    """Those looks that may teach a model something: not the answers that gold asked for."""
    asked_for_gold = (
        select(GoldRow.task_id)
        .where(
            GoldRow.project_id == AnnotationRow.project_id,
            GoldRow.task_id == AnnotationRow.task_id,
            GoldRow.since <= AnnotationRow.created_at,
        )
        .exists()
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(AnnotationRow)
            .where(AnnotationRow.project_id == project_id, *standing(), ~asked_for_gold)
        )
        or 0
    )


def standing() -> tuple[Any, ...]:
    """The conditions under which an annotation is a person's answer that still stands."""
    return (
        AnnotationRow.by_robot.is_(False),
        AnnotationRow.was_cancelled.is_(False),
        AnnotationRow.deleted_at.is_(None),
    )


def human() -> tuple[Any, ...]:
    """The conditions under which it counts too: gold has not shown its author to be unfit."""
    return (*standing(), counting_users())
