"""Training requests: durable, debounced, at most one queued and one running a project.

All that wants a training puts it here. While one is queued, another one only adds its reason; while
one runs, one more may be queued, for what changed since. A request is closed once, and stays as the
record of what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from backend.store.model_tables import TrainingRequestRow
from backend.store.recalls import lock_project

QUEUED, RUNNING = "queued", "running"
PROMOTED, KEPT, IN_SHADOW, FORWARDED = "promoted", "kept", "in shadow", "forwarded"
FAILED, CANCELLED, REFUSED = "failed", "cancelled", "refused"
MOST_ATTEMPTS = 3
# A burst of wishes gives one training: it waits until none came for a while, but not for ever.
SETTLES_AFTER = timedelta(seconds=3)
LONGEST_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """A wish to retrain, and what became of it.

    ``human_labels`` is how many labels there were when it was last asked for or begun: the next
    training is due so many after these. ``stage`` and ``progress`` (0 to 1) are the trainer's last
    words about a running one; ``outcome`` is why a closed one ended as it did, and of an open one
    how its last attempt died.
    """

    id: int
    project_id: int
    reasons: tuple[str, ...]
    human_labels: int
    state: str
    attempts: int
    requested_at: datetime
    due_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stage: str | None = None
    progress: float | None = None
    outcome: str | None = None
    model_version: str | None = None

    @property
    def reason(self) -> str:
        """All that asked for it."""
        return "; ".join(self.reasons)

    @property
    def open(self) -> bool:
        """Whether it is queued or running."""
        return self.state in (QUEUED, RUNNING)


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of a request: the state that it ends in, why in words, the version it made."""

    state: str
    outcome: str
    model_version: str | None = None


def request_training(
    session: Session, project_id: int, reason: str, human_labels: int, now: datetime
) -> bool:
    """Queue a training; False where one is queued already: it gets this reason too."""
    lock_project(session, project_id)
    row = _open(session, project_id, QUEUED)
    if row is None:
        due_at = now + SETTLES_AFTER
        session.add(_new(project_id, reason, human_labels, (now, due_at)))
        session.flush()
        return True
    if reason not in row.reasons:
        row.reasons = [*row.reasons, reason]
    row.human_labels = human_labels
    row.due_at = min(now + SETTLES_AFTER, row.requested_at + LONGEST_WAIT)
    session.flush()
    return False


def refuse_training(
    session: Session, project_id: int, reason: str, why: str, now: datetime
) -> TrainingRequest:
    """Keep a wish that cannot be met, so that who had it can see why; the same one once."""
    row = session.scalar(_newest(project_id).limit(1))
    if row is None or (row.state, row.reasons) != (REFUSED, [reason]):
        row = _new(project_id, reason, 0, (now, now))
        session.add(row)
    _close(row, Ending(REFUSED, why), now)
    session.flush()
    return _request(row)


def last_request(session: Session, project_id: int) -> TrainingRequest | None:
    """The newest request that was not refused; what it has seen need not be learned again."""
    row = session.scalar(_newest(project_id).where(TrainingRequestRow.state != REFUSED).limit(1))
    return None if row is None else _request(row)


def labels_at_last_request(session: Session, project_id: int) -> int:
    """How many human labels the newest request has seen; 0 where there was none."""
    last = last_request(session, project_id)
    return 0 if last is None else last.human_labels


def start_training(
    session: Session, project_id: int, human_labels: int, now: datetime
) -> TrainingRequest | None:
    """Take the next request: one that a dead trainer left running, else the queued one.

    The caller holds the project's training lease, and learns from ``human_labels`` labels. A
    request that has died too often is closed as failed, so that data that kills the trainer cannot
    do so for ever.
    """
    row = _open(session, project_id, RUNNING)
    if row is not None and row.attempts >= MOST_ATTEMPTS:
        _give_up(row, now)
        session.flush()
        row = None
    if row is None:
        row = _open(session, project_id, QUEUED)
    if row is None:
        return None
    row.state = RUNNING
    row.attempts += 1
    row.human_labels = human_labels
    row.started_at = now
    row.stage = row.progress = None
    session.flush()
    return _request(row)


def report_progress(session: Session, request_id: int, stage: str, share: float | None) -> bool:
    """Say how far a training is; False where it runs no more, because it was cancelled."""
    said = session.execute(
        update(TrainingRequestRow)
        .where(
            TrainingRequestRow.id == request_id,
            TrainingRequestRow.state == RUNNING,
            TrainingRequestRow.open == 1,
        )
        .values(stage=stage, progress=share)
    )
    return bool(said.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def end_training(session: Session, request_id: int, ending: Ending, now: datetime) -> bool:
    """Close a request with what came of it; False where it is closed: it was cancelled."""
    row = session.get_one(TrainingRequestRow, request_id, with_for_update=True)
    if row.open is None:
        return False
    _close(row, ending, now)
    session.flush()
    return True


def give_back(session: Session, request_id: int) -> None:
    """An attempt that was told to stop does not count; the request stays to be taken up again."""
    row = session.get_one(TrainingRequestRow, request_id, with_for_update=True)
    if row.open is not None:
        row.attempts -= 1


def attempt_died(
    session: Session, waiting: Sequence[TrainingRequest], why: str, now: datetime
) -> None:
    """Keep the last words of a trainer; after too many deaths the request is closed as failed.

    ``waiting`` is what was open when the trainer was started: it took the first that still is. One
    that died before it had taken it up counts as well, or it would be started for ever.
    """
    for before in waiting:
        row = session.get_one(TrainingRequestRow, before.id, with_for_update=True)
        if row.open is None:
            continue
        if row.attempts == before.attempts:
            row.attempts += 1
        row.outcome = why
        if row.attempts >= MOST_ATTEMPTS:
            _give_up(row, now)
        session.flush()
        return


def cancel_training(
    session: Session, project_id: int, by: str, now: datetime
) -> list[TrainingRequest]:
    """Close what is queued or running; a trainer that is at it notices, and records nothing."""
    rows = session.scalars(_open_rows(project_id).with_for_update()).all()
    for row in rows:
        _close(row, Ending(CANCELLED, f"cancelled by {by}"), now)
    session.flush()
    return [_request(row) for row in rows]


def open_requests(session: Session, project_id: int) -> list[TrainingRequest]:
    """What is queued or running."""
    return [_request(row) for row in session.scalars(_open_rows(project_id))]


def training_waits(session: Session, project_id: int, now: datetime) -> bool:
    """Whether a trainer has something to do now: what is queued has settled, or was left running.

    A due time that no clock here could have set (it was set back) holds nothing up.
    """
    return any(
        each.state == RUNNING or not now < each.due_at <= now + LONGEST_WAIT
        for each in open_requests(session, project_id)
    )


def recent_requests(session: Session, project_id: int, most: int) -> list[TrainingRequest]:
    """The newest requests, newest first."""
    return [_request(row) for row in session.scalars(_newest(project_id).limit(most))]


def training_request(session: Session, request_id: int) -> TrainingRequest:
    """The request of this number; it was made, and none is ever deleted."""
    return _request(session.get_one(TrainingRequestRow, request_id))


def _newest(project_id: int) -> Select[TrainingRequestRow]:
    return (
        select(TrainingRequestRow)
        .where(TrainingRequestRow.project_id == project_id)
        .order_by(TrainingRequestRow.id.desc())
    )


def _open_rows(project_id: int) -> Select[TrainingRequestRow]:
    return (
        select(TrainingRequestRow)
        .where(TrainingRequestRow.project_id == project_id, TrainingRequestRow.open == 1)
        .order_by(TrainingRequestRow.id)
    )


def _open(session: Session, project_id: int, state: str) -> TrainingRequestRow | None:
    # Locked: whoever closes it meanwhile goes first, and then it is not found.
    return session.scalar(
        _open_rows(project_id).where(TrainingRequestRow.state == state).with_for_update()
    )


def _new(
    project_id: int, reason: str, human_labels: int, times: tuple[datetime, datetime]
) -> TrainingRequestRow:
    requested_at, due_at = times
    return TrainingRequestRow(
        project_id=project_id,
        reasons=[reason],
        human_labels=human_labels,
        state=QUEUED,
        requested_at=requested_at,
        due_at=due_at,
        attempts=0,
        open=1,
    )


def _give_up(row: TrainingRequestRow, now: datetime) -> None:
    words = f"; the last time: {row.outcome}" if row.outcome else ""
    _close(row, Ending(FAILED, f"the trainer died {row.attempts} times{words}"), now)


def _close(row: TrainingRequestRow, ending: Ending, now: datetime) -> None:
    row.state, row.outcome, row.model_version = ending.state, ending.outcome, ending.model_version
    row.ended_at, row.open = now, None


def _request(row: TrainingRequestRow) -> TrainingRequest:
    return TrainingRequest(
        id=row.id,
        project_id=row.project_id,
        reasons=tuple(row.reasons),
        human_labels=row.human_labels,
        state=row.state,
        attempts=row.attempts,
        requested_at=row.requested_at,
        due_at=row.due_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        stage=row.stage,
        progress=row.progress,
        outcome=row.outcome,
        model_version=row.model_version,
    )
