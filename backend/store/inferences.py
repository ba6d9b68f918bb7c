"""What deployed models answered: taken in in bulk, each id once, and forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from backend.store.tables import InferenceRow, ProjectRow

WAITING, PASSED, DRAWN, PLACED, LOST = "waiting", "passed", "drawn", "placed", "lost"
_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """One answer of a deployed model, as it is kept.

    ``data`` is None where only ids are kept, ``data_sha256`` where neither data nor its hash was
    sent, ``at`` where the sender named no time: then it is when the answer came in.
    """

    inference_id: str
    model_version: str
    predicted: str
    score: float | None
    data: dict[str, Any] | None
    data_sha256: str | None
    slices: dict[str, str] | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of a batch: how many were new, how many known, and how many neither.

    ``conflicting`` are the ids that came with another content than they have.
    """

    stored: int
    known: int
    conflicts: int
    conflicting: tuple[str, ...]


def store_inferences(
    session: Session, project_id: int, inferences: Sequence[Inference], now: datetime
) -> Intake:
    """Add those whose id is new in this project; they wait for a job to look at them.

    Those who write into one project do so one after the other, so that what is told of known ids
    is true on every database.
    """
    # SQLite has locked already; there the words "for update" are left out.
    session.execute(
        select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True)
    )
    there = _contents(session, project_id, [each.inference_id for each in inferences])
    new: list[Inference] = []
    known = 0
    conflicting: list[str] = []
    for each in inferences:
        content = there.get(each.inference_id)
        if content is None:
            new.append(each)
            there[each.inference_id] = _content(each)
        elif _agrees(each, content):
            known += 1
        else:
            conflicting.append(each.inference_id)
    if new:
        # One small statement for all rows: see ``backend.store.upsert``.
        session.execute(insert(InferenceRow.__table__), [_row(project_id, e, now) for e in new])  # type: ignore[arg-type]  # a table, says SQLAlchemy itself
    return Intake(
        stored=len(new),
        known=known,
        conflicts=len(conflicting),
        conflicting=tuple(dict.fromkeys(conflicting)),
    )


# Model version, answer, score, hash of the data, time: what an id is held to.
_Content = tuple[str, str, float | None, str | None, datetime | None]


def _content(each: Inference) -> _Content:
    return each.model_version, each.predicted, each.score, each.data_sha256, each.at


def _agrees(each: Inference, content: _Content) -> bool:
    """Whether it says the same; a hash and a time that one of them does not name are not held."""
    return (
        (each.model_version, each.predicted, each.score) == content[:3]
        and (each.data_sha256 is None or content[3] is None or each.data_sha256 == content[3])
        and (each.at is None or content[4] is None or each.at == content[4])
    )


def _contents(session: Session, project_id: int, ids: Sequence[str]) -> dict[str, _Content]:
    found: dict[str, _Content] = {}
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(
                InferenceRow.inference_id,
                InferenceRow.model_version,
                InferenceRow.predicted,
                InferenceRow.score,
                InferenceRow.data_sha256,
                InferenceRow.at,
            ).where(
                InferenceRow.project_id == project_id,
                InferenceRow.inference_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
            )
        )
        found.update(
            (name, (version, text, score, sha, at)) for name, version, text, score, sha, at in rows
        )
    return found


def _row(project_id: int, each: Inference, now: datetime) -> dict[str, Any]:
    return {
        "project_id": project_id,
        "inference_id": each.inference_id,
        "model_version": each.model_version,
        "predicted": each.predicted,
        "score": each.score,
        "data": each.data,
        "data_sha256": each.data_sha256,
        "slices": each.slices,
        "at": each.at or now,
        "received_at": now,
        "state": WAITING,
    }


def projects_with_inferences(session: Session) -> list[int]:
    """Every project that has any, connected or not."""
    has_some = exists().where(InferenceRow.project_id == ProjectRow.id)
    return list(session.scalars(select(ProjectRow.id).where(has_some).order_by(ProjectRow.id)))


def delete_inferences(
    session: Session, project_id: int, state: str, before: datetime, most: int
) -> int:
    """Delete up to so many in this state that came before; how many there were.

    Only the oldest are looked at, so that a night in which nothing is due reads next to nothing.
    """
    oldest = session.execute(
        select(InferenceRow.id, InferenceRow.received_at)
        .where(InferenceRow.project_id == project_id, InferenceRow.state == state)
        .order_by(InferenceRow.id)
        .limit(most)
    ).all()
    due = [number for number, received_at in oldest if received_at < before]
    for start in range(0, len(due), _IDS_PER_STATEMENT):
        chunk = due[start : start + _IDS_PER_STATEMENT]
        session.execute(delete(InferenceRow).where(InferenceRow.id.in_(chunk)))
    return len(due)


def blank_inferences(session: Session, project_id: int, before: datetime, most: int) -> int:
    """Take the data out of up to so many that are tasks and came before; how many there were.

    What they answered, their share and their task stay: accuracy is told from them.
    """
    due = list(
        session.scalars(
            select(InferenceRow.id)
            .where(
                InferenceRow.project_id == project_id,
                InferenceRow.state == PLACED,
                InferenceRow.data.is_not(None),
                InferenceRow.received_at < before,
            )
            .order_by(InferenceRow.id)
            .limit(most)
        )
    )
    for start in range(0, len(due), _IDS_PER_STATEMENT):
        chunk = due[start : start + _IDS_PER_STATEMENT]
        session.execute(update(InferenceRow).where(InferenceRow.id.in_(chunk)).values(data=None))
    return len(due)
