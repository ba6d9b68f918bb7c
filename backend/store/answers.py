"""What people's stored answers say, and saying it anew under another labelling config."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.tables import AnnotationRow

_IDS_PER_STATEMENT = 5_000
# What ``backend.answer_rows`` reads an answer by.
_COLUMNS = (
    AnnotationRow.annotation_id,
    AnnotationRow.task_id,
    AnnotationRow.by_robot,
    AnnotationRow.label,
    AnnotationRow.result,
    AnnotationRow.was_cancelled,
    AnnotationRow.ground_truth,
    AnnotationRow.created_at,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """A stored answer; ``counts`` where a person gave it and did not skip the task."""

    label: str | None
    result: list[Any]
    counts: bool


def known_answers(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, dict[int, KnownAnswer]]:
    """The answers to each task that still stand, by annotation, the oldest first."""
    found: dict[int, dict[int, KnownAnswer]] = defaultdict(dict)
    for row in _standing(session, project_id, task_ids):
        found[row["task_id"]][row["annotation_id"]] = KnownAnswer(
            label=row["label"],
            result=row["result"],
            counts=not row["by_robot"] and not row["was_cancelled"],
        )
    return dict(found)


def answered_task_ids(session: Session, project_id: int) -> list[int]:
    """All tasks that have an answer, of people or of the robot, that still stands, ascending."""
    rows = session.scalars(
        select(AnnotationRow.task_id)
        .where(AnnotationRow.project_id == project_id, AnnotationRow.deleted_at.is_(None))
        .distinct()
        .order_by(AnnotationRow.task_id)
    )
    return list(rows)


def stored_answers(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """The answers to these tasks that still stand, in columns by name."""
    return _standing(session, project_id, task_ids)


def store_labels(session: Session, project_id: int, labels: Mapping[int, str | None]) -> None:
    """Note what these annotations say."""
    rows = [
        {"project_id": project_id, "annotation_id": annotation_id, "label": label}
        for annotation_id, label in labels.items()
    ]
    if rows:
        session.execute(update(AnnotationRow), rows)


def _standing(session: Session, project_id: int, task_ids: Sequence[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(*_COLUMNS)
            .where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.deleted_at.is_(None),
            )
            .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
        )
        found += [dict(row) for row in rows.mappings()]
    return found
