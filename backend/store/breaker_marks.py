"""What the breaker looks at, in a few numbers: the same ones while nothing of it has changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.ledger import newest_seq
from backend.store.models import champion
from backend.store.promise_tables import CertificateRow
from backend.store.suspensions import suspensions
from backend.store.tables import AnnotationRow, GoldRow, TaskRow

Marks = tuple[Any, ...]


def breaker_marks(session: Session, project_id: int) -> Marks:
    """Counts and newest moments of answers, decisions, certificates and trips.

    Labels that changed places, one for the other at once, are not seen: look again all the same
    after a while.
    """
    serving = champion(session, project_id)
    answers = select(
        func.count(),
        func.count(AnnotationRow.deleted_at),
        func.max(AnnotationRow.deleted_at),
        func.max(AnnotationRow.updated_at),
        func.max(AnnotationRow.first_seen_at),
    ).where(AnnotationRow.project_id == project_id)
    tasks = (
        select(
            TaskRow.settled_label,
            func.count(),
            func.sum(TaskRow.human_labels),
            func.count(TaskRow.deleted_at),
            func.count(TaskRow.escalated_to),
            func.count().filter(TaskRow.wants_reader),
        )
        .where(TaskRow.project_id == project_id)
        .group_by(TaskRow.settled_label)
        .order_by(TaskRow.settled_label)
    )
    gold = (
        select(GoldRow.label, func.count(), func.max(GoldRow.since))
        .where(GoldRow.project_id == project_id)
        .group_by(GoldRow.label)
        .order_by(GoldRow.label)
    )
    certificates = select(
        func.max(CertificateRow.id),
        func.count(CertificateRow.voided_at),
        func.count().filter(CertificateRow.withdrawn),
    ).where(CertificateRow.project_id == project_id)
    return (
        None if serving is None else (serving.version, serving.promoted_at),
        newest_seq(session, project_id),
        tuple(suspensions(session, project_id)),
        *(
            tuple(map(tuple, session.execute(each)))
            for each in (answers, tasks, gold, certificates)
        ),
    )
