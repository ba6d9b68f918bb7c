"""What stands behind each task's label, read in a stream for exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.escalations import final_labels
from backend.store.promise_tables import FreezeRow
from backend.store.tables import DecisionRow, TaskRow
from backend.store.votes import human_votes
from policies.domain import Outcome, Purpose

HUMAN, ACCEPTED = "human", "accepted"
_ROWS_PER_READ = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalLabel:
    """A task's label with all that it takes to find its decision in the ledger again.

    ``source`` is ``HUMAN`` or ``ACCEPTED``; ``tier`` is the one that was asked and ``people`` how
    many answers stand. ``freeze`` is the number of the freeze that took the task along.
    ``provisional`` accepts may still be taken back. ``predictor`` gave the label. The decision's
    columns are None where people labelled a task that was never decided.
    """

    task_id: int
    data: dict[str, Any]
    label: str
    source: str
    tier: str | None
    people: int
    score: float | None
    model_version: str | None
    policy_hash: str | None
    freeze: int | None
    decision_seq: int | None
    decision_hash: str | None
    provisional: bool
    predictor: str | None = None
    decided_at: datetime | None = None


def labels_standing(session: Session, project_id: int) -> Iterator[FinalLabel]:
    """Every task that has a label by now, provisional accepts too, by task; a person's word first.

    A task whose answers wait for a more expert tier has none.
    """
    said = final_labels(session, project_id, human_votes(session, project_id))
    rows = session.execute(
        select(
            TaskRow.task_id,
            TaskRow.data,
            TaskRow.human_labels,
            TaskRow.freeze_id,
            FreezeRow.number,
            DecisionRow.seq,
            DecisionRow.outcome,
            DecisionRow.purpose,
            DecisionRow.label,
            DecisionRow.tier,
            DecisionRow.score,
            DecisionRow.model_version,
            DecisionRow.policy_hash,
            DecisionRow.hash,
            DecisionRow.predictor,
            DecisionRow.decided_at,
        )
        .outerjoin(DecisionRow, is_current())
        .outerjoin(FreezeRow, FreezeRow.id == TaskRow.freeze_id)
        .where(TaskRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        .order_by(TaskRow.task_id)
        .execution_options(yield_per=_ROWS_PER_READ)
    )
    with rows:
        for row in rows:
            accepted = (row.outcome, row.purpose) == (Outcome.ACCEPT.value, Purpose.ROUTED.value)
            by_people = row.human_labels > 0
            label = said.get(row.task_id) if by_people else row.label if accepted else None
            if label is None:
                continue
            yield FinalLabel(
                task_id=row.task_id,
                data=row.data,
                label=label,
                source=HUMAN if by_people else ACCEPTED,
                tier=row.tier,
                people=row.human_labels,
                score=row.score,
                model_version=row.model_version,
                policy_hash=row.policy_hash,
                freeze=row.number,
                decision_seq=row.seq,
                decision_hash=row.hash,
                provisional=not by_people and row.freeze_id is None,
                predictor=row.predictor,
                decided_at=row.decided_at,
            )
