"""How often people correct what the models predict, by predicted label."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.annotators import counting_users
from backend.store.decisions import is_current
from backend.store.tables import AnnotationRow, DecisionRow, GoldRow, TaskRow

# Older answers tell of models that are gone.
RECENT_ANSWERS = 2_000


def corrections(
    session: Session, project_id: int, newest: int = RECENT_ANSWERS
) -> dict[str, tuple[int, int]]:
    """(answers, corrected) by the label that was predicted, over people's newest answers.

    Counted are standing answers to tasks with a predicted label, blind ones too, but not to gold,
    which many answer, and not of people whose answers do not count. What was predicted is what the
    task's decision says: it is the last one before people answered.
    """
    gold = select(GoldRow.task_id).where(GoldRow.project_id == project_id)
    recent = (
        select(DecisionRow.label.label("predicted"), AnnotationRow.label.label("said"))
        .select_from(AnnotationRow)
        .join(
            TaskRow,
            (TaskRow.project_id == AnnotationRow.project_id)
            & (TaskRow.task_id == AnnotationRow.task_id),
        )
        .join(DecisionRow, is_current())
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.by_robot.is_(False),
            AnnotationRow.was_cancelled.is_(False),
            AnnotationRow.deleted_at.is_(None),
            AnnotationRow.label.is_not(None),
            DecisionRow.label.is_not(None),
            TaskRow.deleted_at.is_(None),
            TaskRow.task_id.not_in(gold),
            counting_users(),
        )
        .order_by(AnnotationRow.created_at.desc(), AnnotationRow.annotation_id.desc())
        .limit(newest)
        .subquery()
    )
    rows = session.execute(
        select(
            recent.c.predicted,
            func.count(),
            func.count().filter(recent.c.said != recent.c.predicted),
        )
        .group_by(recent.c.predicted)
        .order_by(recent.c.predicted)
    )
    return {label: (answers, corrected) for label, answers, corrected in rows}
