"""Tasks and annotations as they were read from Label Studio."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from backend.store.tables import AnnotationRow, TaskRow
from backend.store.upsert import upsert
from backend.store.votes import human

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """A task with its data."""

    id: int
    data: dict[str, Any]


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
    _mark(session, project_id, task_ids, now)


def mark_tasks_there(
    session: Session, project_id: int, task_ids: Sequence[int], before: datetime
) -> None:
    """Take back that these tasks are gone, where that was noted before then."""
    _mark(session, project_id, task_ids, None, TaskRow.deleted_at < before)


def _mark(
    session: Session,
    project_id: int,
    task_ids: Sequence[int],
    deleted_at: datetime | None,
    *where: ColumnElement[bool],
) -> None:
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        some = TaskRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT])
        session.execute(
            update(TaskRow)
            .where(TaskRow.project_id == project_id, some, *where)
            .values(deleted_at=deleted_at)
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


def count_labelled(session: Session, project_id: int) -> int:
    """Tasks that a person has labelled and that are not deleted."""
    return (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                TaskRow.human_labels > 0,
            )
        )
        or 0
    )


def standing_annotations(session: Session, project_id: int) -> dict[int, int]:
    """Annotation id -> task id of every annotation, people's and the robot's, that still stands.

    Not those in the mirror project: they are looked for there.
    """
    rows = session.execute(
        select(AnnotationRow.annotation_id, AnnotationRow.task_id).where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.deleted_at.is_(None),
            AnnotationRow.mirrored.is_(False),
        )
    )
    return {row.annotation_id: row.task_id for row in rows}


def unknown_annotations(
    session: Session, project_id: int, annotation_ids: Collection[int]
) -> set[int]:
    """Those of these annotations that were never read."""
    ids = sorted(annotation_ids)
    known: set[int] = set()
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        known.update(
            session.scalars(
                select(AnnotationRow.annotation_id).where(
                    AnnotationRow.project_id == project_id,
                    AnnotationRow.annotation_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
                )
            )
        )
    return set(ids) - known


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


def store_annotations(  # noqa: PLR0913 - of which project, which tasks, from where and when
    session: Session,
    project_id: int,
    task_ids: Sequence[int],
    rows: Sequence[dict[str, Any]],
    now: datetime,
    *,
    mirrored: bool = False,
) -> int:
    """Replace what is known of these tasks' annotations; the number of new human answers.

    ``rows`` are all annotations that the tasks have now (keys as ``AnnotationRow``, without
    ``project_id``, ``first_seen_at`` and ``deleted_at``). One that is not among them any more is
    marked deleted. Human labels are counted anew. ``mirrored`` are the annotations of their copies
    in the mirror project, which come and go by themselves.
    """
    known = {
        annotation_id
        for start in range(0, len(task_ids), _IDS_PER_STATEMENT)
        for annotation_id in session.scalars(
            select(AnnotationRow.annotation_id).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.deleted_at.is_(None),
                AnnotationRow.mirrored.is_(mirrored),
            )
        )
    }
    present = {row["annotation_id"] for row in rows}
    upsert(
        session,
        AnnotationRow,
        [
            {"project_id": project_id, "first_seen_at": now, "deleted_at": None, **row}
            | {"mirrored": mirrored}
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
    *,
    mirrored: bool = False,
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
                AnnotationRow.mirrored.is_(mirrored),
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
