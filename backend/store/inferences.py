"""What deployed models answered: taken in in bulk, each id once, and forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, delete, exists, select, update
from sqlalchemy.orm import Session

from backend.store.bulk import BulkInsert, bulk_insert
from backend.store.inference_tables import InferenceRow
from backend.store.tables import ProjectRow

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


def ready_rows(
    dialect: Dialect, project_id: int, inferences: Sequence[Inference], now: datetime
) -> list[Any]:
    """The rows of inferences as the database's driver takes them: made before a transaction."""
    return _insert(dialect).ready([_row(project_id, each, now) for each in inferences])


def write_alone(session: Session, project_id: int) -> None:
    """Let nobody else write inferences of this project until the transaction ends.

    Only so is it true, on every database, what a sender is told of ids and keys that are known.
    """
    # SQLite has locked already; there the words "for update" are left out.
    session.execute(
        select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True)
    )


def store_inferences(
    session: Session,
    project_id: int,
    inferences: Sequence[Inference],
    now: datetime,
    rows: Sequence[Any] | None = None,
) -> Intake:
    """Add those whose id is new in this project; they wait for a job to look at them.

    Where others may write too, after ``write_alone`` in the same transaction. ``rows`` are what
    ``ready_rows`` gave of the same; by default they are made now.
    """
    insert = _insert(session.get_bind().dialect)
    if rows is None:
        rows = ready_rows(session.get_bind().dialect, project_id, inferences, now)
    there = _contents(session, project_id, [each.inference_id for each in inferences])
    new: list[Any] = []
    known = 0
    conflicting: list[str] = []
    for each, row in zip(inferences, rows, strict=True):
        content = there.get(each.inference_id)
        if content is None:
            new.append(row)
            there[each.inference_id] = _content(each)
        elif _agrees(each, content):
            known += 1
        else:
            conflicting.append(each.inference_id)
    insert.run(session, new)
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


_COLUMNS = (
    "project_id",
    "inference_id",
    "model_version",
    "predicted",
    "score",
    "data",
    "data_sha256",
    "slices",
    "at",
    "received_at",
    "state",
)


def _row(project_id: int, each: Inference, now: datetime) -> tuple[Any, ...]:
    return (
        project_id,
        each.inference_id,
        each.model_version,
        each.predicted,
        each.score,
        each.data,
        each.data_sha256,
        each.slices,
        each.at or now,
        now,
        WAITING,
    )


@lru_cache(maxsize=8)
def _insert(dialect: Dialect) -> BulkInsert:
    return bulk_insert(dialect, InferenceRow, _COLUMNS)


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
