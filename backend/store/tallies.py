"""The sums over a project's large tables, counted in SQL: dear where the tables are large."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from backend.store.annotators import counting_users
from backend.store.counts import Queue
from backend.store.decisions import is_current
from backend.store.deliveries import count_by_state, same_task
from backend.store.escalations import count_escalated
from backend.store.ledger import newest_seq
from backend.store.mirrors import MIRROR, MIRRORED_VIEW
from backend.store.projects import ConnectedProject
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow, TaskRow
from backend.store.tasks import count_labelled, count_tasks
from backend.store.votes import count_human_labels, standing
from policies.domain import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """The sums as they are now; their meaning is that in ``ProjectCounts``."""

    tasks: int
    human_labels: int
    labelled_tasks: int
    accepted: int
    waiting: int
    decisions: dict[str, int]
    deliveries: dict[str, int]
    queues: tuple[Queue, ...]


def tallies(session: Session, project: ConnectedProject) -> Tallies:
    """Count everything, in some passes over the tables."""
    return Tallies(
        tasks=count_tasks(session, project.id),
        human_labels=count_human_labels(session, project.id),
        labelled_tasks=count_labelled(session, project.id),
        accepted=count_accepted(session, project.id),
        waiting=_count_waiting(session, project.id),
        decisions=count_decisions(session, project.id),
        deliveries=count_by_state(session, project.id),
        queues=_queues(session, project),
    )


def tally_marks(session: Session, project_id: int) -> list[Any]:
    """What the sums hang on, in a few numbers: the same ones while none of them has changed.

    A wish that was replaced and fulfilled has another revision, a task that came or went, or that
    people answered, other counts.
    """
    answers = select(
        func.count(),
        func.count(AnnotationRow.deleted_at),
        func.max(AnnotationRow.deleted_at),
        func.max(AnnotationRow.updated_at),
        func.max(AnnotationRow.first_seen_at),
    ).where(AnnotationRow.project_id == project_id)
    tasks = select(
        func.count(),
        func.count(TaskRow.deleted_at),
        func.sum(TaskRow.human_labels),
        func.count(TaskRow.escalated_to),
        func.count().filter(TaskRow.wants_reader),
    ).where(TaskRow.project_id == project_id)
    wishes = (
        select(
            DeliveryRow.state,
            func.count(),
            func.sum(DeliveryRow.revision),
            func.max(DeliveryRow.delivered_at),
        )
        .where(DeliveryRow.project_id == project_id)
        .group_by(DeliveryRow.state)
        .order_by(DeliveryRow.state)
    )
    found = [
        value
        for query in (answers, tasks, wishes)
        for row in session.execute(query)
        for value in row
    ]
    plain = [each.isoformat() if isinstance(each, datetime) else each for each in found]
    return [newest_seq(session, project_id), *plain]


def is_small(session: Session, project_id: int, most: int) -> bool:
    """Whether it has at most so many tasks and entries of the ledger; read only so far."""
    if newest_seq(session, project_id) > most:
        return False
    one_more = select(1).where(TaskRow.project_id == project_id).offset(most).limit(1)
    return session.scalar(one_more) is None


def count_decisions(session: Session, project_id: int) -> dict[str, int]:
    """Current decisions of existing tasks, by "outcome/purpose"."""
    rows = session.execute(
        select(DecisionRow.outcome, DecisionRow.purpose, func.count())
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        .group_by(DecisionRow.outcome, DecisionRow.purpose)
    )
    return {f"{outcome}/{purpose}": count for outcome, purpose, count in rows}


def count_accepted(session: Session, project_id: int) -> int:
    """Tasks whose label stands without a human look: accepted, not audited, not labelled since."""
    return (
        session.scalar(
            select(func.count())
            .select_from(DeliveryRow)
            .join(TaskRow, same_task())
            .where(*_accepted(project_id))
        )
        or 0
    )


def accepted_labels(session: Session, project_id: int) -> dict[int, str]:
    """The label of every task that ``count_accepted`` counts."""
    rows = session.execute(
        select(DeliveryRow.task_id, DeliveryRow.label)
        .join(TaskRow, same_task())
        .where(*_accepted(project_id), DeliveryRow.label.is_not(None))
    )
    return {task_id: label for task_id, label in rows if label is not None}


def count_accepted_since(session: Session, project_id: int, since: datetime) -> int:
    """Those of ``count_accepted`` that were written into Label Studio at or after ``since``."""
    return (
        session.scalar(
            select(func.count())
            .select_from(DeliveryRow)
            .join(TaskRow, same_task())
            .where(*_accepted(project_id), DeliveryRow.delivered_at >= since)
        )
        or 0
    )


def proving_looks(
    session: Session, project_id: int, since: datetime | None = None
) -> dict[int, int]:
    """Looks at control, holdout and audited tasks by user, from ``since`` on where it is given."""
    proving = [each.value for each in (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT)]
    query = (
        select(AnnotationRow.user_id, func.count())
        .join(
            TaskRow,
            (TaskRow.project_id == AnnotationRow.project_id)
            & (TaskRow.task_id == AnnotationRow.task_id),
        )
        .join(DecisionRow, is_current())
        .where(
            AnnotationRow.project_id == project_id,
            DecisionRow.purpose.in_(proving),
            *standing(),
        )
        .group_by(AnnotationRow.user_id)
    )
    if since is not None:
        query = query.where(AnnotationRow.created_at >= since)
    return dict(session.execute(query).all())


def seq_before(session: Session, project_id: int, time: datetime) -> int:
    """The number of the last decision that was made before this time; 0 where there is none.

    Found by halving: the ledger only grows, so its times rise with its numbers.
    """
    low, high = 0, newest_seq(session, project_id)
    while low < high:
        middle = (low + high + 1) // 2
        made = session.scalar(
            select(DecisionRow.decided_at).where(
                DecisionRow.project_id == project_id, DecisionRow.seq == middle
            )
        )
        if made is not None and made < time:
            low = middle
        else:
            high = middle - 1
    return low


def count_first_answers(session: Session, project_id: int, after: int, until: int) -> int:
    """Answers of models that the ledger holds first between two numbers, ``after`` left out.

    One for each version and task; one that was decided on before, under another policy or
    certificate, is the same answer.
    """
    answers = (
        select(DecisionRow.task_id, DecisionRow.model_version)
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.seq > after,
            DecisionRow.seq <= until,
            DecisionRow.model_version.is_not(None),
        )
        .distinct()
        .subquery()
    )
    earlier = aliased(DecisionRow)
    known = exists().where(
        earlier.project_id == project_id,
        earlier.task_id == answers.c.task_id,
        # Neither is to be looked up by: a version has decided a great part of the ledger.
        func.coalesce(earlier.model_version, "") == answers.c.model_version,
        earlier.seq + 0 <= after,
    )
    query = select(func.count()).select_from(answers)
    return session.scalar(query.where(~known) if after else query) or 0


def _accepted(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        DeliveryRow.project_id == project_id,
        DeliveryRow.accepts.is_(True),
        TaskRow.human_labels == 0,
        TaskRow.deleted_at.is_(None),
    )


def _count_waiting(session: Session, project_id: int) -> int:
    """Open tasks that are in no view and not accepted: they wait for capacity or a model."""
    placed = (
        select(DeliveryRow.task_id)
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.accepts.is_(True) | DeliveryRow.marker.is_not(None),
        )
        .scalar_subquery()
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                or_(
                    TaskRow.human_labels == 0,
                    TaskRow.escalated_to.is_not(None),
                    TaskRow.wants_reader.is_(True),
                ),
                TaskRow.task_id.not_in(placed),
            )
        )
        or 0
    )


def _queues(session: Session, project: ConnectedProject) -> tuple[Queue, ...]:
    # Label Studio counts the answers, too, that do not count here.
    others = (
        select(AnnotationRow.task_id, func.count().label("answers"))
        .where(AnnotationRow.project_id == project.id, *standing(), ~counting_users())
        .group_by(AnnotationRow.task_id)
        .subquery()
    )
    given = TaskRow.human_labels + func.coalesce(others.c.answers, 0)
    rows = session.execute(
        select(
            DeliveryRow.marker,
            func.count().filter(given < DeliveryRow.overlap),
            func.count().filter(given >= DeliveryRow.overlap),
        )
        .join(TaskRow, same_task())
        .outerjoin(others, others.c.task_id == DeliveryRow.task_id)
        .where(
            DeliveryRow.project_id == project.id,
            DeliveryRow.marker.is_not(None),
            TaskRow.deleted_at.is_(None),
        )
        .group_by(DeliveryRow.marker)
    )
    found: dict[str | None, tuple[int, int]] = {}
    for marker, waiting, answered in rows:
        view = MIRRORED_VIEW if marker == MIRROR else marker
        before = found.get(view, (0, 0))
        found[view] = (before[0] + waiting, before[1] + answered)
    escalated = count_escalated(session, project.id)
    return tuple(
        Queue(
            name=name,
            open=found.get(name, (0, 0))[0],
            answered=found.get(name, (0, 0))[1],
            escalated=escalated.get(name, 0),
        )
        for name in project.views
    )
