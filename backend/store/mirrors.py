"""Mirror projects: the copies of audited tasks, and the answers that were given to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from backend.store.deliveries import DELIVERED, same_task
from backend.store.open_decisions import is_open
from backend.store.promise_tables import MirrorRow
from backend.store.tables import AnnotationRow, DeliveryRow, TaskRow
from backend.store.tasks import mark_annotations_deleted
from backend.store.votes import human, standing

# The wish for a task that is answered in the mirror project: in no view of its own project. Not a
# tier's name: those neither begin nor end with a space.
MIRROR = " mirror"
MIRRORED_VIEW = "Audit"  # the view that holds the same tasks where there is no mirror
_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The project that holds the copies now, and until when its answers are read."""

    id: int
    synced_until: datetime | None


def mirror_of(session: Session, project_id: int) -> Mirror | None:
    """A project's mirror; None where it never had one."""
    row = session.get(MirrorRow, project_id)
    return None if row is None else Mirror(id=row.mirror_id, synced_until=row.synced_until)


def mirrored_project(session: Session, mirror_id: int) -> int | None:
    """The project whose mirror this is; None where it is nobody's."""
    query = select(MirrorRow.project_id).where(MirrorRow.mirror_id == mirror_id)
    return session.scalars(query).first()


def store_mirror(session: Session, project_id: int, mirror_id: int) -> None:
    """Name a project's mirror. Another one than before starts without copies.

    What was answered in the former one stays, and is followed no more.
    """
    row = session.get(MirrorRow, project_id)
    if row is None:
        session.add(MirrorRow(project_id=project_id, mirror_id=mirror_id))
    elif row.mirror_id != mirror_id:
        row.mirror_id, row.synced_until = mirror_id, None
        session.execute(
            update(TaskRow).where(TaskRow.project_id == project_id).values(mirror_task_id=None)
        )


def store_read_until(session: Session, project_id: int, until: datetime | None) -> None:
    """How far the mirror's answers have been read."""
    session.get_one(MirrorRow, project_id).synced_until = until


def copies(session: Session, project_id: int) -> dict[int, int]:
    """The task in the mirror -> the task that it is a copy of."""
    rows = session.execute(
        select(TaskRow.mirror_task_id, TaskRow.task_id).where(
            TaskRow.project_id == project_id, TaskRow.mirror_task_id.is_not(None)
        )
    )
    return {copy_id: task_id for copy_id, task_id in rows if copy_id is not None}


def without_copy(session: Session, project_id: int) -> list[int]:
    """Every task that has no copy, deleted ones too, ascending."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .where(TaskRow.project_id == project_id, TaskRow.mirror_task_id.is_(None))
            .order_by(TaskRow.task_id)
        )
    )


def uncopied(session: Session, project_id: int) -> list[int]:
    """Tasks to copy: wished for in the mirror, and bare in their own project by now; ascending."""
    return list(
        session.scalars(
            select(TaskRow.task_id)
            .join(DeliveryRow, same_task())
            .where(
                TaskRow.project_id == project_id,
                TaskRow.mirror_task_id.is_(None),
                DeliveryRow.state == DELIVERED,
                _wanted(),
            )
            .order_by(TaskRow.task_id)
        )
    )


def unwanted(session: Session, project_id: int) -> list[int]:
    """Copies of tasks that nobody has to audit any more, without an answer or skip; ascending."""
    answered = select(AnnotationRow.task_id).where(
        AnnotationRow.project_id == project_id,
        AnnotationRow.mirrored.is_(True),
        AnnotationRow.by_robot.is_(False),
        AnnotationRow.deleted_at.is_(None),
    )
    found = session.scalars(
        select(TaskRow.mirror_task_id)
        .outerjoin(DeliveryRow, same_task())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.mirror_task_id.is_not(None),
            TaskRow.task_id.not_in(answered),
            or_(DeliveryRow.task_id.is_(None), ~_wanted()),
        )
    )
    return sorted(copy_id for copy_id in found if copy_id is not None)


def asked_again(session: Session, project_id: int) -> dict[int, int]:
    """Copies that want one more answer -> how many people have answered them so far."""
    rows = session.execute(
        select(TaskRow.mirror_task_id, func.count(AnnotationRow.user_id.distinct()))
        .join(DeliveryRow, same_task())
        .join(
            AnnotationRow,
            and_(
                AnnotationRow.project_id == TaskRow.project_id,
                AnnotationRow.task_id == TaskRow.task_id,
            ),
        )
        .where(
            TaskRow.project_id == project_id,
            TaskRow.mirror_task_id.is_not(None),
            AnnotationRow.mirrored.is_(True),
            _wanted(),
            *standing(),
        )
        .group_by(TaskRow.mirror_task_id)
    )
    return {copy_id: people for copy_id, people in rows if copy_id is not None}


def store_copies(session: Session, project_id: int, found: Mapping[int, int]) -> None:
    """Note the copy of each task: task id -> id in the mirror."""
    if found:
        session.execute(
            update(TaskRow),
            [
                {"project_id": project_id, "task_id": task_id, "mirror_task_id": copy_id}
                for task_id, copy_id in found.items()
            ],
        )


def forget_copies(
    session: Session, project_id: int, copy_ids: Sequence[int], now: datetime
) -> None:
    """These copies are gone from the mirror, and with them what was answered there."""
    for start in range(0, len(copy_ids), _IDS_PER_STATEMENT):
        chosen = (
            TaskRow.project_id == project_id,
            TaskRow.mirror_task_id.in_(copy_ids[start : start + _IDS_PER_STATEMENT]),
        )
        answers = session.scalars(
            select(AnnotationRow.annotation_id).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.mirrored.is_(True),
                AnnotationRow.task_id.in_(select(TaskRow.task_id).where(*chosen)),
            )
        )
        mark_annotations_deleted(session, project_id, sorted(answers), now)
        session.execute(update(TaskRow).where(*chosen).values(mirror_task_id=None))


def standing_mirrored(session: Session, project_id: int) -> dict[int, int]:
    """Annotation id -> task id of every answer to a copy that the mirror holds now."""
    rows = session.execute(
        select(AnnotationRow.annotation_id, AnnotationRow.task_id)
        .join(
            TaskRow,
            and_(
                AnnotationRow.project_id == TaskRow.project_id,
                AnnotationRow.task_id == TaskRow.task_id,
            ),
        )
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.mirrored.is_(True),
            AnnotationRow.deleted_at.is_(None),
            TaskRow.mirror_task_id.is_not(None),
        )
    )
    return {row.annotation_id: row.task_id for row in rows}


def answered_in_mirror(session: Session, project_id: int, task_ids: Sequence[int]) -> set[int]:
    """Those of these tasks whose copy a person has answered whose answers count."""
    found: set[int] = set()
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        found.update(
            session.scalars(
                select(AnnotationRow.task_id).where(
                    AnnotationRow.project_id == project_id,
                    AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                    AnnotationRow.mirrored.is_(True),
                    *human(),
                )
            )
        )
    return found


def _wanted() -> ColumnElement[bool]:
    """The task waits for an answer of the mirror; for tasks joined with their delivery."""
    in_mirror = func.coalesce(DeliveryRow.marker, "") == MIRROR  # null would negate to null
    return and_(in_mirror, TaskRow.deleted_at.is_(None), is_open())
