"""Deliveries: what each task should look like in Label Studio, and whether it does by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Text, and_, case, func, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from backend.store.tables import DeliveryRow, TaskRow
from backend.store.upsert import upsert
from policies.gold import GOLD

PENDING, DELIVERED, LEFT_TO_PEOPLE = "pending", "delivered", "left_to_people"
_LONGEST_WAIT_S = 600.0
_IDS_PER_STATEMENT = 5_000
_ROWS_PER_READ = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a task should look like.

    ``marker`` puts it in a view (None: in none), ``label`` with ``score`` and ``model_version``
    is the prediction to show or to accept (None: none is shown), ``part_scores`` are those of the
    parts that the label has. ``accepts`` makes it the robot's annotation. ``strategy`` is the part
    of the day's queue that asked for the task and ``rank`` how soon its view hands it out, 1 first;
    both are None where it is in no view. ``revision`` is set by the store.
    """

    task_id: int
    decision_seq: int
    marker: str | None
    label: str | None
    score: float | None
    model_version: str | None
    accepts: bool
    overlap: int
    strategy: str | None = None
    rank: int | None = None
    revision: int = 0
    part_scores: tuple[float, ...] = ()

    @property
    def look(self) -> dict[str, Any]:
        """What a person or a query would see of it: equal looks need no new delivery.

        An accepted label stays the same whichever version and score repeated it. A task keeps
        the rank that it was delivered with: its place moves with every answer of other tasks.
        """
        shown = not self.accepts and self.label is not None
        return {
            "marker": self.marker,
            "label": self.label,
            "version": self.model_version if shown else None,
            "accepts": self.accepts,
            "overlap": self.overlap,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A wish with what was delivered for the task before (its ``look``), and the tries so far.

    ``asked_again`` says that more answers are wished for although people have answered the task.
    """

    wish: Wish
    delivered: dict[str, Any] | None
    attempts: int
    asked_again: bool = False


NOTHING = {"marker": None, "label": None, "version": None, "accepts": False, "overlap": 1}


def store_wishes(session: Session, project_id: int, wishes: Sequence[Wish], now: datetime) -> int:
    """Note new wishes as pending; tasks that already look as wished are left alone. How many."""
    known = _rows_of(session, project_id, [wish.task_id for wish in wishes])
    rows = []
    for wish in wishes:
        row = known.get(wish.task_id)
        standing = NOTHING if row is None else _standing(row)
        if wish.look == standing and (row is None or row.state == DELIVERED):
            continue
        if row is not None and row.state == PENDING and _wish(row).look == wish.look:
            continue
        rows.append(
            {
                "project_id": project_id,
                "task_id": wish.task_id,
                "decision_seq": wish.decision_seq,
                "revision": 1 if row is None else row.revision + 1,
                "marker": wish.marker,
                "label": wish.label,
                "score": wish.score,
                "part_scores": list(wish.part_scores) or None,
                "model_version": wish.model_version,
                "accepts": wish.accepts,
                "overlap": wish.overlap,
                "strategy": wish.strategy,
                "rank": wish.rank,
                "state": PENDING,
                "attempts": 0,
                "next_attempt_at": now,
                "error": None,
                "delivered": None if row is None else _known_look(row, wish),
            }
        )
    upsert(session, DeliveryRow, rows)
    return len(rows)


def looking_otherwise(session: Session, project_id: int, wishes: Sequence[Wish]) -> list[Wish]:
    """Those of a project's wishes that may change something, read in one pass over its tasks.

    One answer moves few of them: the others need no transaction, for which webhooks would wait.
    """
    wished = {wish.task_id for wish in wishes}
    as_text = type_coerce(DeliveryRow.delivered, Text)  # most are looks of tasks without a wish
    rows = session.execute(
        select(DeliveryRow.task_id, as_text, DeliveryRow.state).where(
            DeliveryRow.project_id == project_id
        ),
        execution_options={"yield_per": _ROWS_PER_READ},
    )
    standing: dict[int, dict[str, Any] | None] = {}  # of the rest it is nothing
    for task_id, text, state in rows:
        if task_id in wished:
            look = NOTHING if text is None else orjson.loads(text)
            if state != DELIVERED or look != NOTHING:
                standing[task_id] = look if state == DELIVERED else None
    return [wish for wish in wishes if standing.get(wish.task_id, NOTHING) != wish.look]


def due_deliveries(session: Session, project_id: int, now: datetime, limit: int) -> list[Delivery]:
    """Pending deliveries of existing tasks whose time has come, by task."""
    again = or_(
        TaskRow.escalated_to.is_not(None),
        TaskRow.wants_reader.is_(True),
        func.coalesce(DeliveryRow.strategy == GOLD, False),
    )
    rows = session.execute(
        select(DeliveryRow, again)
        .join(TaskRow, same_task())
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.state == PENDING,
            _has_come(now),
            TaskRow.deleted_at.is_(None),
        )
        .order_by(DeliveryRow.task_id)
        .limit(limit)
    )
    return [
        Delivery(
            wish=_wish(row),
            delivered=row.delivered,
            attempts=row.attempts,
            asked_again=bool(asked_again),
        )
        for row, asked_again in rows
    ]


def mark_delivered(
    session: Session, project_id: int, wishes: Sequence[Wish], now: datetime
) -> None:
    """These wishes are fulfilled; one that was replaced meanwhile stays pending."""
    _close(session, project_id, wishes, DELIVERED, now)


def mark_left_to_people(
    session: Session, project_id: int, wishes: Sequence[Wish], now: datetime
) -> None:
    """A person has worked on these tasks: nothing is written to them any more."""
    _close(session, project_id, wishes, LEFT_TO_PEOPLE, now)


def count_due(session: Session, project_id: int, now: datetime) -> int:
    """How many pending deliveries' time has come, about: those of deleted tasks count."""
    return (
        session.scalar(
            select(func.count()).where(
                DeliveryRow.project_id == project_id,
                DeliveryRow.state == PENDING,
                _has_come(now),
            )
        )
        or 0
    )


def mark_failed(
    session: Session, project_id: int, wishes: Sequence[Wish], error: str, now: datetime
) -> None:
    """Try again later: after 2, 4, 8, ... seconds, at most ten minutes."""
    waits = case(
        *(
            (DeliveryRow.attempts == tries, now + timedelta(seconds=2.0 ** (tries + 1)))
            for tries in range(8)
        ),
        else_=now + timedelta(seconds=_LONGEST_WAIT_S),
    )
    ids = [wish.task_id for wish in wishes]
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        session.execute(
            update(DeliveryRow)
            .where(
                DeliveryRow.project_id == project_id,
                DeliveryRow.task_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
                DeliveryRow.state == PENDING,
            )
            .values(next_attempt_at=waits, attempts=DeliveryRow.attempts + 1, error=error)
            .execution_options(synchronize_session=False)
        )


def count_by_state(session: Session, project_id: int) -> dict[str, int]:
    """Deliveries by state."""
    rows = session.execute(
        select(DeliveryRow.state, func.count())
        .where(DeliveryRow.project_id == project_id)
        .group_by(DeliveryRow.state)
    )
    return dict(rows.all())


def _has_come(now: datetime) -> ColumnElement[bool]:
    """Its time has come, or is so far ahead that the clock was set back since."""
    return or_(
        DeliveryRow.next_attempt_at <= now,
        DeliveryRow.next_attempt_at > now + timedelta(seconds=_LONGEST_WAIT_S),
    )


def same_task() -> ColumnElement[bool]:
    """The condition that joins deliveries and tasks."""
    return and_(
        TaskRow.project_id == DeliveryRow.project_id, TaskRow.task_id == DeliveryRow.task_id
    )


def _rows_of(session: Session, project_id: int, task_ids: Sequence[int]) -> dict[int, DeliveryRow]:
    found: dict[int, DeliveryRow] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.scalars(
            select(DeliveryRow).where(
                DeliveryRow.project_id == project_id,
                DeliveryRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
        )
        found.update((row.task_id, row) for row in rows)
    return found


def _standing(row: DeliveryRow) -> dict[str, Any]:
    return row.delivered or NOTHING


def _known_look(row: DeliveryRow, wish: Wish) -> dict[str, Any] | None:
    """What was delivered, without the overlap where a delivery under way may have set another.

    Predictions and annotations can be read back from Label Studio, a task's overlap is not.
    """
    unsure = row.state == PENDING and row.overlap != wish.overlap
    return {**_standing(row), "overlap": None} if unsure else row.delivered


def _close(
    session: Session, project_id: int, wishes: Sequence[Wish], state: str, now: datetime
) -> None:
    known = _rows_of(session, project_id, [wish.task_id for wish in wishes])
    changes = [
        {
            "project_id": project_id,
            "task_id": wish.task_id,
            "state": state,
            "error": None,
            **({"delivered": wish.look, "delivered_at": now} if state == DELIVERED else {}),
        }
        for wish in wishes
        if known[wish.task_id].revision == wish.revision
    ]
    if changes:
        session.execute(update(DeliveryRow), changes)


def _wish(row: DeliveryRow) -> Wish:
    return Wish(
        task_id=row.task_id,
        decision_seq=row.decision_seq,
        marker=row.marker,
        label=row.label,
        score=row.score,
        model_version=row.model_version,
        accepts=row.accepts,
        overlap=row.overlap,
        strategy=row.strategy,
        rank=row.rank,
        revision=row.revision,
        part_scores=tuple(row.part_scores or ()),
    )
