"""How often people correct what the models predict, and what each of them was shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from backend.store.annotators import counting_users
from backend.store.decisions import is_current
from backend.store.inference_tasks import verifying_tasks
from backend.store.shared_tasks import SharedState
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow, GoldRow, TaskRow
from backend.store.votes import human
from policies.domain import Outcome, Purpose

# Older answers tell of models that are gone.
RECENT_ANSWERS = 2_000
_IDS_PER_STATEMENT = 5_000


def corrections(
    session: Session, project_id: int, newest: int = RECENT_ANSWERS
) -> dict[str, tuple[int, int]]:
    """(answers, corrected) by the label that was predicted, over people's newest answers.

    Counted are standing answers to tasks with a predicted label, blind ones too, but not to gold,
    which many answer, and not of people whose answers do not count. Of an audit the first answer
    counts alone: errors get a second auditor, passes seldom. What was predicted is what the task's
    decision says: it is the last one before people answered.
    """
    # All at once: SQLite would look for each answer through every older one of the project.
    looked = aliased(AnnotationRow)
    first_looks = (
        select(func.min(looked.annotation_id))
        .where(
            looked.project_id == project_id,
            looked.by_robot.is_(False),
            looked.was_cancelled.is_(False),
            looked.deleted_at.is_(None),
        )
        .group_by(looked.task_id)
    )
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
            TaskRow.task_id.not_in(verifying_tasks(project_id)),
            counting_users(),
            or_(
                DecisionRow.purpose != Purpose.AUDIT.value,
                AnnotationRow.annotation_id.in_(first_looks),
            ),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The decision that held for a task at some time."""

    label: str | None
    score: float | None
    model_version: str | None
    outcome: Outcome
    purpose: Purpose
    rule: str
    inclusion_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredTask:
    """A person's standing answer, and what is known of what the task showed when it was given.

    ``delivered`` is the look that was last delivered, at ``delivered_at``; None where nothing was.
    ``in_force`` is the last decision before the answer, None where there was none. ``verifies``
    says that the task is an answer of a deployed model.
    """

    annotation_id: int
    task_id: int
    user_id: int
    label: str
    created_at: datetime
    lead_time_s: float | None
    mirrored: bool
    delivered: dict[str, Any] | None
    delivered_at: datetime | None
    in_force: InForce | None
    verifies: bool = False


def answered_state(session: Session, project_id: int) -> SharedState:
    """What all answers that count look like from afar: one query, no answer is read."""
    row = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(AnnotationRow.annotation_id), 0),
            func.max(AnnotationRow.updated_at),
            func.max(TaskRow.decision_seq),
        )
        .select_from(AnnotationRow)
        .join(TaskRow, _same_task())
        .where(AnnotationRow.project_id == project_id, *human(), TaskRow.deleted_at.is_(None))
    ).one()
    answers, ids, changed_at, newest = row
    return SharedState(
        answers=int(answers),
        ids=int(ids),
        changed_at=None if changed_at is None else changed_at.isoformat(),
        newest_decision=newest,
    )


def answered_tasks(session: Session, project_id: int) -> Iterator[AnsweredTask]:
    """Every standing human answer that counts, oldest first; not those to gold, which many answer.

    Of a person's answers to one task all are there: the first was given to what was shown. Some are
    read at a time, so that no more than what is made of them stays in memory.
    """
    gold = select(GoldRow.task_id).where(GoldRow.project_id == project_id)
    verifies = TaskRow.task_id.in_(verifying_tasks(project_id)).label("verifies")
    found = session.execute(
        select(*_ANSWER, verifies)
        .select_from(AnnotationRow)
        .join(TaskRow, _same_task())
        .outerjoin(
            DeliveryRow,
            and_(
                DeliveryRow.project_id == AnnotationRow.project_id,
                DeliveryRow.task_id == AnnotationRow.task_id,
            ),
        )
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.label.is_not(None),
            TaskRow.deleted_at.is_(None),
            TaskRow.task_id.not_in(gold),
            *human(),
        )
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id),
        execution_options={"yield_per": _IDS_PER_STATEMENT},
    )
    same: dict[Any, Any] = {}  # one text a label, however many rows name it
    for part in found.partitions():
        rows = list(part)
        seqs = _seqs_in_force(session, project_id, rows)
        decided = _decisions(session, project_id, sorted({*seqs.values()}), same)
        for row in rows:
            yield AnsweredTask(
                annotation_id=row.annotation_id,
                task_id=row.task_id,
                user_id=row.user_id,
                label=same.setdefault(row.label, row.label),
                created_at=row.created_at,
                lead_time_s=row.lead_time_s,
                mirrored=row.mirrored,
                delivered=row.delivered,
                delivered_at=row.delivered_at,
                in_force=decided[seqs[row.annotation_id]] if row.annotation_id in seqs else None,
                verifies=bool(row.verifies),
            )


_ANSWER = (
    AnnotationRow.annotation_id,
    AnnotationRow.task_id,
    AnnotationRow.user_id,
    AnnotationRow.label,
    AnnotationRow.created_at,
    AnnotationRow.lead_time_s,
    AnnotationRow.mirrored,
    DeliveryRow.delivered,
    DeliveryRow.delivered_at,
)
_DECISION = (
    DecisionRow.seq,
    DecisionRow.label.label("predicted"),
    DecisionRow.score,
    DecisionRow.model_version,
    DecisionRow.outcome,
    DecisionRow.purpose,
    DecisionRow.rule,
    DecisionRow.inclusion_probability,
)


def _seqs_in_force(session: Session, project_id: int, answers: Sequence[Any]) -> dict[int, int]:
    """Annotation id -> the last decision before it, where there was one: the ledger only grows.

    Told here and not by a subquery for each answer: SQLite looks for the highest number from the
    end of the whole ledger, which takes the square of its length.
    """
    tasks = sorted({row.task_id for row in answers})
    ledger: dict[int, list[tuple[int, datetime]]] = {}
    for start in range(0, len(tasks), _IDS_PER_STATEMENT):
        chosen = DecisionRow.task_id.in_(tasks[start : start + _IDS_PER_STATEMENT])
        rows = session.execute(
            select(DecisionRow.task_id, DecisionRow.seq, DecisionRow.decided_at).where(
                DecisionRow.project_id == project_id, chosen
            )
        )
        for task_id, seq, decided_at in rows:
            ledger.setdefault(task_id, []).append((seq, decided_at))
    found: dict[int, int] = {}
    for row in answers:
        before = [seq for seq, at in ledger.get(row.task_id, ()) if at <= row.created_at]
        if before:
            found[row.annotation_id] = max(before)
    return found


def _decisions(
    session: Session, project_id: int, seqs: list[int], same: dict[Any, Any]
) -> dict[int, InForce]:
    found: dict[int, InForce] = {}
    for start in range(0, len(seqs), _IDS_PER_STATEMENT):
        chosen = DecisionRow.seq.in_(seqs[start : start + _IDS_PER_STATEMENT])
        rows = session.execute(
            select(*_DECISION).where(DecisionRow.project_id == project_id, chosen)
        )
        found.update((row.seq, _in_force(row, same)) for row in rows)
    return found


def _in_force(row: Any, same: dict[Any, Any]) -> InForce:
    return InForce(
        label=same.setdefault(row.predicted, row.predicted),
        score=row.score,
        model_version=same.setdefault(row.model_version, row.model_version),
        outcome=Outcome(row.outcome),
        purpose=Purpose(row.purpose),
        rule=row.rule,
        inclusion_probability=row.inclusion_probability,
    )


def _same_task() -> ColumnElement[bool]:
    return and_(
        TaskRow.project_id == AnnotationRow.project_id, TaskRow.task_id == AnnotationRow.task_id
    )
