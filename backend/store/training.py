"""Training requests: durable, debounced, at most one queued and one running a project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.tables import TrainingRequestRow

QUEUED, RUNNING, ENDED, FAILED = "queued", "running", "ended", "failed"
MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """A wish to retrain; ``human_labels`` is how many labels there were when it was made."""

    id: int
    project_id: int
    reason: str
    human_labels: int
    state: str
    attempts: int


def request_training(
    session: Session, project_id: int, reason: str, human_labels: int, now: datetime
) -> bool:
    """Queue a training; False where one is queued already (it will see the new labels too)."""
    if _open(session, project_id, QUEUED) is not None:
        return False
    session.add(
        TrainingRequestRow(
            project_id=project_id,
            reason=reason,
            human_labels=human_labels,
            state=QUEUED,
            requested_at=now,
            attempts=0,
            open=1,
        )
    )
    session.flush()
    return True


def labels_at_last_request(session: Session, project_id: int) -> int:
    """How many human labels the newest request had seen; 0 where there was none."""
    return (
        session.scalar(
            select(func.max(TrainingRequestRow.human_labels)).where(
                TrainingRequestRow.project_id == project_id
            )
        )
        or 0
    )


def start_training(session: Session, project_id: int, now: datetime) -> TrainingRequest | None:
    """Take the next request: one that a dead trainer left running, else the queued one.

    The caller holds the project's training lease. A request that has died too often is closed as
    failed, so that data that kills the trainer cannot do so for ever.
    """
    row = _open(session, project_id, RUNNING)
    if row is not None and row.attempts >= MOST_ATTEMPTS:
        _close(row, FAILED, f"the trainer died {row.attempts} times", now)
        session.flush()
        row = None
    if row is None:
        row = _open(session, project_id, QUEUED)
    if row is None:
        return None
    row.state = RUNNING
    row.attempts += 1
    row.started_at = now
    session.flush()
    return _request(row)


def end_training(
    session: Session, request_id: int, outcome: str, model_version: str | None, now: datetime
) -> None:
    """Close a request with what came of it; without a model version it has failed."""
    row = session.get_one(TrainingRequestRow, request_id)
    _close(row, FAILED if model_version is None else ENDED, outcome, now)
    row.model_version = model_version


def give_back(session: Session, request_id: int) -> None:
    """An attempt that was told to stop does not count; the request stays to be taken up again."""
    session.get_one(TrainingRequestRow, request_id).attempts -= 1


def open_requests(session: Session, project_id: int) -> list[TrainingRequest]:
    """What is queued or running."""
    rows = session.scalars(
        select(TrainingRequestRow)
        .where(TrainingRequestRow.project_id == project_id, TrainingRequestRow.open == 1)
        .order_by(TrainingRequestRow.id)
    )
    return [_request(row) for row in rows]


def _open(session: Session, project_id: int, state: str) -> TrainingRequestRow | None:
    return session.scalar(
        select(TrainingRequestRow).where(
            TrainingRequestRow.project_id == project_id,
            TrainingRequestRow.state == state,
            TrainingRequestRow.open == 1,
        )
    )


def _close(row: TrainingRequestRow, state: str, outcome: str, now: datetime) -> None:
    row.state, row.outcome, row.ended_at, row.open = state, outcome, now, None


def _request(row: TrainingRequestRow) -> TrainingRequest:
    return TrainingRequest(
        id=row.id,
        project_id=row.project_id,
        reason=row.reason,
        human_labels=row.human_labels,
        state=row.state,
        attempts=row.attempts,
    )
