"""Tasks that show the model's answer whether or not anybody is to look at them today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.deliveries import DELIVERED, LEFT_TO_PEOPLE, same_task
from backend.store.tables import DecisionRow, DeliveryRow, TaskRow
from policies.domain import Purpose

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PrelabelCounts:
    """How far the tasks are that were asked to be pre-labelled.

    ``shown`` have their label in Label Studio, ``answered`` a person's answer, ``blind`` must not
    show one (slices, audits, what people disagree on), ``unanswered`` have none, for the reason
    that stands in the ledger. ``waiting`` are still to be predicted, decided or delivered.
    """

    shown: int = 0
    answered: int = 0
    blind: int = 0
    unanswered: int = 0
    waiting: int = 0

    @property
    def asked(self) -> int:
        """All of them."""
        return self.done + self.waiting

    @property
    def done(self) -> int:
        """Those of which nothing more is to be done."""
        return self.shown + self.answered + self.blind + self.unanswered


def mark_prelabelled(
    session: Session, project_id: int, task_ids: Sequence[int] | None = None
) -> None:
    """Ask for the label of these tasks to be shown; of all that are there where none are named."""
    change = (
        update(TaskRow)
        .where(TaskRow.project_id == project_id, TaskRow.prelabelled.is_(False))
        .values(prelabelled=True)
        .execution_options(synchronize_session=False)
    )
    if task_ids is None:
        session.execute(change.where(TaskRow.deleted_at.is_(None)))
        return
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        chunk = task_ids[start : start + _IDS_PER_STATEMENT]
        session.execute(change.where(TaskRow.task_id.in_(chunk)))


def count_prelabelled(session: Session, project_id: int) -> int:
    """How many tasks were asked to be pre-labelled."""
    query = select(func.count()).where(
        TaskRow.project_id == project_id, TaskRow.prelabelled.is_(True)
    )
    return session.scalar(query) or 0


def prelabel_counts(session: Session, project_id: int) -> PrelabelCounts:
    """How far they are, read in one pass."""
    in_doubt = or_(TaskRow.escalated_to.is_not(None), TaskRow.wants_reader.is_(True))
    shown = and_(DeliveryRow.state == DELIVERED, DeliveryRow.label == DecisionRow.label)
    state = case(
        (in_doubt, "blind"),
        (TaskRow.human_labels > 0, "answered"),
        (DeliveryRow.state == LEFT_TO_PEOPLE, "answered"),
        (DecisionRow.seq.is_(None), "waiting"),
        (DecisionRow.purpose != Purpose.ROUTED.value, "blind"),
        (DecisionRow.label.is_(None), "unanswered"),
        (shown, "shown"),
        else_="waiting",
    )
    rows = session.execute(
        select(state, func.count())
        .select_from(TaskRow)
        .outerjoin(DecisionRow, is_current())
        .outerjoin(DeliveryRow, same_task())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.prelabelled.is_(True),
            TaskRow.deleted_at.is_(None),
        )
        .group_by(state)
    )
    return PrelabelCounts(**dict(rows.all()))
