"""Deliveries that are due once more: people's work came or went since they were made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from backend.store.deliveries import DELIVERED, LEFT_TO_PEOPLE, PENDING
from backend.store.tables import DeliveryRow, TaskRow

_IDS_PER_STATEMENT = 5_000


def reopen_overtaken(session: Session, project_id: int, now: datetime) -> None:
    """Look again where people's answers came or went.

    A person has labelled a task that the robot had: the robot's annotation must go. A person has
    taken an answer back: the task is to look as wished once more.
    """
    labelled = select(TaskRow.task_id).where(
        TaskRow.project_id == project_id, TaskRow.human_labels > 0
    )
    of_person = DeliveryRow.task_id.in_(labelled)
    overtaken = or_(
        and_(_accepted(), of_person), (DeliveryRow.state == LEFT_TO_PEOPLE) & ~of_person
    )
    _reopen(session, project_id, overtaken, now)


def reopen_accepted(
    session: Session, project_id: int, task_ids: Sequence[int], now: datetime
) -> None:
    """Annotations of these tasks were deleted in Label Studio: the robot's may be among them."""
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        chunk = DeliveryRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT])
        _reopen(session, project_id, and_(_accepted(), chunk), now)


def _accepted() -> ColumnElement[bool]:
    return and_(DeliveryRow.state == DELIVERED, DeliveryRow.accepts.is_(True))


def _reopen(session: Session, project_id: int, chosen: ColumnElement[bool], now: datetime) -> None:
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.project_id == project_id, chosen)
        .values(state=PENDING, revision=DeliveryRow.revision + 1, attempts=0, next_attempt_at=now)
        .execution_options(synchronize_session=False)
    )
