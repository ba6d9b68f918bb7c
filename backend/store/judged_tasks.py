"""Tasks that people have judged: their data, and each person's newest answer that counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.tables import AnnotationRow, GoldRow, TaskRow
from backend.store.votes import human

_TASKS_PER_READ = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTask:
    """A task with the answers by user id: None where nothing was answered.

    ``gold`` is its true answer where that is known; the answers of those who say so are not among
    ``said``.
    """

    id: int
    data: dict[str, Any]
    said: dict[int, str | None]
    gold: str | None


def judged_tasks(session: Session, project_id: int) -> Iterator[JudgedTask]:
    """Every task that a person has answered and that is not deleted, by id, some at a time."""
    ids = list(
        session.scalars(
            select(TaskRow.task_id)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                select(AnnotationRow.annotation_id)
                .where(
                    AnnotationRow.project_id == TaskRow.project_id,
                    AnnotationRow.task_id == TaskRow.task_id,
                    *human(),
                )
                .exists(),
            )
            .order_by(TaskRow.task_id)
        )
    )
    gold = {
        row.task_id: row
        for row in session.scalars(select(GoldRow).where(GoldRow.project_id == project_id))
    }
    for start in range(0, len(ids), _TASKS_PER_READ):
        chosen = ids[start : start + _TASKS_PER_READ]
        said = _said(session, project_id, chosen)
        for task_id, data in session.execute(
            select(TaskRow.task_id, TaskRow.data)
            .where(TaskRow.project_id == project_id, TaskRow.task_id.in_(chosen))
            .order_by(TaskRow.task_id)
        ):
            known = gold.get(task_id)
            authors = set() if known is None else set(known.authors)
            yield JudgedTask(
                id=task_id,
                data=data,
                said={user: text for user, text in said[task_id].items() if user not in authors},
                gold=None if known is None else known.label,
            )


def _said(session: Session, project_id: int, ids: list[int]) -> dict[int, dict[int, str | None]]:
    found: dict[int, dict[int, str | None]] = {task_id: {} for task_id in ids}
    for task_id, user_id, label in session.execute(
        select(AnnotationRow.task_id, AnnotationRow.user_id, AnnotationRow.label)
        .where(AnnotationRow.project_id == project_id, AnnotationRow.task_id.in_(ids), *human())
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
    ):
        found[task_id][user_id] = label  # the newest one comes last
    return found
