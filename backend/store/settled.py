"""Accepts that stand in Label Studio as decided: nothing is left to do about them.

In a project that runs they are most of the open tasks, so whoever works through the open ones
leaves them to the database.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.deliveries import DELIVERED
from backend.store.open_decisions import is_open
from backend.store.tables import DecisionRow, DeliveryRow, TaskRow
from policies.domain import Outcome, Purpose


def is_settled() -> ColumnElement[bool]:
    """The condition for an open task with its decision: accepted, and delivered with this label.

    Not settled is what somebody is asked about in spite of its accept: an audit, a contested task,
    one that waits for one more reader.
    """
    return and_(
        DecisionRow.outcome == Outcome.ACCEPT.value,
        DecisionRow.purpose != Purpose.AUDIT.value,
        TaskRow.escalated_to.is_(None),
        TaskRow.wants_reader.is_(False),
        exists().where(
            DeliveryRow.project_id == TaskRow.project_id,
            DeliveryRow.task_id == TaskRow.task_id,
            DeliveryRow.state == DELIVERED,
            DeliveryRow.accepts.is_(True),
            DeliveryRow.label == DecisionRow.label,
            DeliveryRow.marker.is_(None),
            DeliveryRow.overlap == 1,
        ),
    )


def count_settled(session: Session, project_id: int) -> dict[str | None, int]:
    """How many open tasks are settled, by their label."""
    rows = session.execute(
        select(DecisionRow.label, func.count())
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            is_open(),
            is_settled(),
        )
        .group_by(DecisionRow.label)
        .order_by(DecisionRow.label)
    )
    return dict(rows.all())
