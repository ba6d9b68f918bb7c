"""What is known of single tasks: what people said, how they stand, how they are delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.annotators import counting_users
from backend.store.tables import AnnotationRow, DeliveryRow, GoldRow, TaskRow
from backend.store.votes import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A person's answer that stands; ``label`` is None for an empty form.

    ``counts`` is False where gold has shown its author to be unfit.
    """

    task_id: int
    user_id: int
    label: str | None
    given_at: datetime
    lead_time_s: float | None
    counts: bool
    mirrored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """A task as it is known now: its data, and what its answers came to.

    ``decision_seq`` is the decision that holds, ``settled_label`` what was made of answers that had
    to be weighed, ``gold`` its known truth, ``escalated_to`` the tier whose word it waits for.
    """

    data: dict[str, object]
    decision_seq: int | None
    deleted_at: datetime | None
    settled_label: str | None
    escalated_to: str | None
    frozen: bool
    gold: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDelivery:
    """How far the newest wish for a task is carried out in Label Studio, and what went wrong.

    ``decision_seq`` is the decision that is delivered, ``marker`` the queue that the task is in.
    """

    decision_seq: int
    state: str
    attempts: int
    error: str | None
    next_attempt_at: datetime
    delivered_at: datetime | None
    accepts: bool
    marker: str | None


def answers_to(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, tuple[Answer, ...]]:
    """Task id -> its standing answers by people, oldest first; of a page's tasks, not of many."""
    rows = session.execute(
        select(
            AnnotationRow.task_id,
            AnnotationRow.user_id,
            AnnotationRow.label,
            AnnotationRow.created_at,
            AnnotationRow.lead_time_s,
            counting_users(),
            AnnotationRow.mirrored,
        )
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.task_id.in_(task_ids),
            *standing(),
        )
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
    )
    found: dict[int, list[Answer]] = {}
    for task_id, user_id, label, given_at, lead_time_s, counts, mirrored in rows:
        answer = Answer(
            task_id=task_id,
            user_id=user_id,
            label=label,
            given_at=given_at,
            lead_time_s=lead_time_s,
            counts=bool(counts),
            mirrored=mirrored,
        )
        found.setdefault(task_id, []).append(answer)
    return {task_id: tuple(answers) for task_id, answers in found.items()}


def task_state(session: Session, project_id: int, task_id: int) -> TaskState | None:
    """The task as it is known now; None where it is unknown here."""
    row = session.get(TaskRow, (project_id, task_id))
    if row is None:
        return None
    gold = session.get(GoldRow, (project_id, task_id))
    return TaskState(
        data=row.data,
        decision_seq=row.decision_seq,
        deleted_at=row.deleted_at,
        settled_label=row.settled_label,
        escalated_to=row.escalated_to,
        frozen=row.freeze_id is not None,
        gold=None if gold is None else gold.label,
    )


def task_delivery(session: Session, project_id: int, task_id: int) -> TaskDelivery | None:
    """How the task is delivered; None where nothing was wished for yet."""
    row = session.get(DeliveryRow, (project_id, task_id))
    if row is None:
        return None
    return TaskDelivery(
        decision_seq=row.decision_seq,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
        accepts=row.accepts,
        marker=row.marker,
    )


def current_among(session: Session, project_id: int, seqs: Sequence[int]) -> set[int]:
    """Those of the decisions that hold for their tasks now."""
    return {
        seq
        for seq in session.scalars(
            select(TaskRow.decision_seq).where(
                TaskRow.project_id == project_id, TaskRow.decision_seq.in_(seqs)
            )
        )
        if seq is not None
    }
