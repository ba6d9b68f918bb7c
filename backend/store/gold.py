"""Gold tasks: whose truth is known, who has answered them, and which are in the queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.deliveries import same_task
from backend.store.tables import AnnotationRow, DeliveryRow, GoldRow, TaskRow
from backend.store.votes import Vote, standing
from policies.gold import GOLD

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldTask:
    """A task with its true label and the people whose answers that label is."""

    task_id: int
    label: str
    authors: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedGold:
    """A gold task that people may be asked to answer, with the number of its decision.

    ``answered`` are those with an answer in Label Studio, ``authors`` those whose answers are the
    truth: nobody is measured by his own word.
    """

    task_id: int
    decision_seq: int
    answered: frozenset[int]
    authors: frozenset[int]


def gold_tasks(session: Session, project_id: int) -> list[GoldTask]:
    """All gold tasks, by id."""
    rows = session.scalars(
        select(GoldRow).where(GoldRow.project_id == project_id).order_by(GoldRow.task_id)
    )
    return [
        GoldTask(task_id=row.task_id, label=row.label, authors=frozenset(row.authors))
        for row in rows
    ]


def gold_task_ids(session: Session, project_id: int) -> frozenset[int]:
    """The ids of all gold tasks."""
    return frozenset(
        session.scalars(select(GoldRow.task_id).where(GoldRow.project_id == project_id))
    )


def store_gold(session: Session, project_id: int, tasks: Sequence[GoldTask], now: datetime) -> None:
    """These tasks are gold and no others; their truth settles what waited for an answer."""
    chosen = select(GoldRow).where(GoldRow.project_id == project_id)
    known = {row.task_id: row for row in session.scalars(chosen)}
    for task in tasks:
        row = known.pop(task.task_id, None)
        if row is None:
            row = GoldRow(project_id=project_id, task_id=task.task_id, since=now)
            session.add(row)
        row.label, row.authors = task.label, sorted(task.authors)
    session.flush()
    for row in known.values():
        session.delete(row)
    session.flush()
    ids = select(GoldRow.task_id).where(GoldRow.project_id == project_id)
    session.execute(
        update(TaskRow)
        .where(TaskRow.project_id == project_id, TaskRow.task_id.in_(ids))
        .values(escalated_to=None, wants_reader=False)
        .execution_options(synchronize_session=False)
    )


def ground_truths(session: Session, project_id: int) -> list[Vote]:
    """People's standing answers that are marked as ground truth in Label Studio, by task."""
    rows = session.execute(
        select(AnnotationRow.task_id, AnnotationRow.user_id, AnnotationRow.label)
        .join(
            TaskRow,
            (TaskRow.project_id == AnnotationRow.project_id)
            & (TaskRow.task_id == AnnotationRow.task_id),
        )
        .where(
            AnnotationRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            AnnotationRow.ground_truth.is_(True),
            AnnotationRow.label.is_not(None),
            *standing(),
        )
        .order_by(AnnotationRow.task_id, AnnotationRow.annotation_id)
    )
    return [Vote(task_id=task, user_id=user, label=label) for task, user, label in rows if label]


def askable_gold(session: Session, project_id: int) -> list[AskedGold]:
    """Gold that may be mixed into queues, by task: not what is open anyway."""
    rows = session.execute(
        select(GoldRow, TaskRow.decision_seq)
        .join(
            TaskRow,
            (TaskRow.project_id == GoldRow.project_id) & (TaskRow.task_id == GoldRow.task_id),
        )
        .where(
            GoldRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels > 0,
            TaskRow.escalated_to.is_(None),
        )
        .order_by(GoldRow.task_id)
    ).all()
    answered = people_of(session, project_id, [row.GoldRow.task_id for row in rows])
    return [
        AskedGold(
            task_id=row.GoldRow.task_id,
            decision_seq=row.decision_seq or 0,
            answered=answered.get(row.GoldRow.task_id, frozenset()),
            authors=frozenset(row.GoldRow.authors),
        )
        for row in rows
    ]


def people_of(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, frozenset[int]]:
    """Who has a standing answer to each of these tasks, as Label Studio counts for the overlap."""
    found: dict[int, set[int]] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(AnnotationRow.task_id, AnnotationRow.user_id).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                *standing(),
            )
        )
        for task_id, user_id in rows:
            found.setdefault(task_id, set()).add(user_id)
    return {task_id: frozenset(users) for task_id, users in found.items()}


def placed_gold(session: Session, project_id: int) -> dict[int, int]:
    """Labelled tasks that were put into a queue as gold: task id -> their decision's number."""
    rows = session.execute(
        select(DeliveryRow.task_id, DeliveryRow.decision_seq)
        .join(TaskRow, same_task())
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.strategy == GOLD,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels > 0,
            TaskRow.escalated_to.is_(None),
            TaskRow.wants_reader.is_(False),
        )
    )
    return dict(rows.all())
