"""Tasks that show the model's answer whether or not anybody is to look at them today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.deliveries import DELIVERED, LEFT_TO_PEOPLE, PENDING, same_task
from backend.store.model_tables import ModelRow
from backend.store.models import CHAMPION
from backend.store.tables import DecisionRow, DeliveryRow, TaskRow
from policies.domain import SEEN, Purpose

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PrelabelCounts:
    """How far the tasks are that were asked to be pre-labelled.

    ``shown`` have their label in Label Studio, ``answered`` a person's answer, ``blind`` must not
    show one (slices, audits, what people disagree on), ``unanswered`` have none, for the reason
    that stands in the ledger. ``waiting`` are still to be predicted by the version that serves now,
    decided or delivered.
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
        (DecisionRow.purpose.not_in(sorted(SEEN)), "blind"),
        (and_(_outdated(session, project_id), TaskRow.freeze_id.is_(None)), "waiting"),
        (DecisionRow.label.is_(None), "unanswered"),
        (shown, "shown"),
        else_="waiting",
    )
    rows = session.execute(
        select(state, func.count())
        .select_from(TaskRow)
        .outerjoin(DecisionRow, is_current())
        .outerjoin(DeliveryRow, same_task())
        .where(*_asked(project_id))
        .group_by(state)
    )
    return PrelabelCounts(**dict(rows.all()))


def decide_unanswered_anew(session: Session, project_id: int) -> None:
    """Take the decision from those that a model had no answer to: by now it may have one.

    A server that was down is up again, a file is back. Nothing else about such a task changes the
    grounds that it was decided on, so nothing else would ask again.
    """
    unanswered = (
        select(TaskRow.task_id)
        .join(DecisionRow, is_current())
        .where(
            *_asked(project_id),
            TaskRow.human_labels == 0,
            TaskRow.escalated_to.is_(None),
            TaskRow.freeze_id.is_(None),
            *_without_answer(),
            DecisionRow.model_version.is_not(None),
        )
    )
    session.execute(
        update(TaskRow)
        .where(TaskRow.project_id == project_id, TaskRow.task_id.in_(unanswered))
        .values(decision_seq=None)
        .execution_options(synchronize_session=False)
    )


def try_at_once(session: Session, project_id: int, now: datetime) -> None:
    """What failed to be delivered to them need not wait for its time: somebody waits for it."""
    asked = select(TaskRow.task_id).where(*_asked(project_id))
    session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.state == PENDING,
            DeliveryRow.next_attempt_at > now,
            DeliveryRow.task_id.in_(asked),
        )
        .values(next_attempt_at=now)
        .execution_options(synchronize_session=False)
    )


def why_unanswered(session: Session, project_id: int) -> str | None:
    """The most frequent reason why there is no answer; None where no task is without."""
    return session.scalar(
        select(DecisionRow.reason)
        .join(TaskRow, is_current())
        .where(*_asked(project_id), TaskRow.human_labels == 0, *_without_answer())
        .group_by(DecisionRow.reason)
        .order_by(func.count().desc(), DecisionRow.reason)
        .limit(1)
    )


def why_undelivered(session: Session, project_id: int) -> str | None:
    """The most frequent error of the deliveries that are to be tried again; None without one."""
    return session.scalar(
        select(DeliveryRow.error)
        .join(TaskRow, same_task())
        .where(*_asked(project_id), DeliveryRow.state == PENDING, DeliveryRow.error.is_not(None))
        .group_by(DeliveryRow.error)
        .order_by(func.count().desc(), DeliveryRow.error)
        .limit(1)
    )


def _asked(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        TaskRow.project_id == project_id,
        TaskRow.prelabelled.is_(True),
        TaskRow.deleted_at.is_(None),
    )


def _without_answer() -> tuple[ColumnElement[bool], ...]:
    return (DecisionRow.purpose == Purpose.ROUTED.value, DecisionRow.label.is_(None))


def _outdated(session: Session, project_id: int) -> ColumnElement[bool]:
    """Whether a decision is not of the version that serves."""
    serving = session.scalar(
        select(ModelRow.version).where(
            ModelRow.project_id == project_id, ModelRow.state == CHAMPION
        )
    )
    return DecisionRow.model_version.is_distinct_from(serving)
