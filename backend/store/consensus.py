"""How sure the consensus of a task's answers is, where more readers may be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.tables import ConsensusRow, DecisionRow, TaskRow
from backend.store.upsert import upsert
from policies.adjudication import ESCALATION
from policies.domain import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """The most probable label of a task's answers, its probability, and how many answers.

    ``fingerprint`` is the same as long as the same people say the same.
    """

    task_id: int
    label: str
    confidence: float
    answers: int
    fingerprint: str


def read_tasks(session: Session, project_id: int) -> dict[int, Consensus | None]:
    """Tasks that several people read and nobody more expert settles, with what was made of them.

    By task, those alone with two answers or more.
    """
    rows = session.execute(
        select(TaskRow.task_id, ConsensusRow)
        .join(DecisionRow, is_current())
        .outerjoin(ConsensusRow, same_task())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.freeze_id.is_(None),
            TaskRow.human_labels > 1,
            DecisionRow.purpose == Purpose.AGREEMENT.value,
            DecisionRow.rule != ESCALATION,
        )
        .order_by(TaskRow.task_id)
    )
    return {task_id: None if row is None else consensus_of(row) for task_id, row in rows}


def consensus_by_task(session: Session, project_id: int) -> dict[int, Consensus]:
    """What was last made of the answers of every task that several people read."""
    rows = session.scalars(select(ConsensusRow).where(ConsensusRow.project_id == project_id))
    return {row.task_id: consensus_of(row) for row in rows}


def store_consensus(session: Session, project_id: int, found: Sequence[Consensus]) -> None:
    """Keep what was made of these tasks' answers, in place of what was known."""
    rows = [
        {
            "project_id": project_id,
            "task_id": each.task_id,
            "label": each.label,
            "confidence": each.confidence,
            "answers": each.answers,
            "fingerprint": each.fingerprint,
        }
        for each in found
    ]
    upsert(session, ConsensusRow, rows)


def consensus_of(row: ConsensusRow) -> Consensus:
    """A row as the rest of the system sees it."""
    return Consensus(
        task_id=row.task_id,
        label=row.label,
        confidence=row.confidence,
        answers=row.answers,
        fingerprint=row.fingerprint,
    )


def same_task() -> ColumnElement[bool]:
    """The condition that joins a task with what was made of its answers."""
    return and_(
        ConsensusRow.project_id == TaskRow.project_id, ConsensusRow.task_id == TaskRow.task_id
    )
