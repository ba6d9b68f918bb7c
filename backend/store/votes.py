"""What people said of tasks: votes that stand, and the one answer that they come to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from backend.store.annotators import counting_users
from backend.store.tables import AnnotationRow, GoldRow

_IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's label of one task."""

    task_id: int
    user_id: int
    label: str


def human_votes(session: Session, project_id: int) -> list[Vote]:
    """Every standing human label that counts, each person's newest one a task, oldest first."""
    return _votes(session, AnnotationRow.project_id == project_id, *human())


def human_votes_among(session: Session, project_id: int, task_ids: Sequence[int]) -> list[Vote]:
    """The same of these tasks alone; they are looked up, and no others are read."""
    return _among(session, project_id, task_ids, human())


def votes_among(session: Session, project_id: int, task_ids: Sequence[int]) -> list[Vote]:
    """The same of these tasks, whether they count or not."""
    return _among(session, project_id, task_ids, standing())


def _among(
    session: Session, project_id: int, task_ids: Sequence[int], conditions: tuple[Any, ...]
) -> list[Vote]:
    found: list[Vote] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        chosen = AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT])
        found += _votes(session, AnnotationRow.project_id == project_id, chosen, *conditions)
    return found


def _votes(session: Session, *conditions: Any) -> list[Vote]:
    rows = session.execute(
        select(AnnotationRow.task_id, AnnotationRow.user_id, AnnotationRow.label)
        .where(*conditions)
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
    )
    newest: dict[tuple[int, int], Vote] = {}
    for task_id, user_id, label in rows:
        if label is not None:
            newest[task_id, user_id] = Vote(task_id=task_id, user_id=user_id, label=label)
    return list(newest.values())


def answers(votes: Iterable[Vote]) -> dict[int, str]:
    """One label a task: the most frequent, ties to the one that was given first.

    Who gave them does not count here; see ``backend.store.escalations.final_labels``.
    """
    by_task: dict[int, dict[str, int]] = {}
    for vote in votes:
        counts = by_task.setdefault(vote.task_id, {})
        counts[vote.label] = counts.get(vote.label, 0) + 1
    # Of equals max takes the first, and a dict keeps the order in which they came.
    return {task_id: max(counts, key=counts.__getitem__) for task_id, counts in by_task.items()}


def answered_between(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> tuple[datetime, datetime] | None:
    """When the first and the last standing human answer to these tasks were given."""
    ends: list[datetime] = []
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        first, last = session.execute(
            select(func.min(AnnotationRow.created_at), func.max(AnnotationRow.created_at)).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                *human(),
            )
        ).one()
        ends += [each for each in (first, last) if each is not None]
    return (min(ends), max(ends)) if ends else None


def first_answered(
    session: Session, project_id: int, task_ids: Sequence[int], users: Collection[int]
) -> dict[int, datetime]:
    """When the first of these users gave an answer to each task that still stands and counts."""
    found: dict[int, datetime] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(AnnotationRow.task_id, func.min(_given_at()))
            .where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                AnnotationRow.user_id.in_(sorted(users)),
                AnnotationRow.label.is_not(None),
                *human(),
            )
            .group_by(AnnotationRow.task_id)
        )
        found.update(dict(rows.all()))
    return found


def answered_after(session: Session, project_id: int, since: datetime) -> set[int]:
    """Tasks whose standing human answers were all given after ``since``."""
    return set(
        session.scalars(
            select(AnnotationRow.task_id)
            .where(AnnotationRow.project_id == project_id, *human())
            .group_by(AnnotationRow.task_id)
            .having(func.min(_given_at()) > since)
        )
    )


def _given_at() -> ColumnElement[datetime]:
    """When an answer was given, at the latest: not after we saw it, whatever Label Studio's clock.

    It is held against times of our own: a trip, a new certificate, drift.
    """
    seen, dated = AnnotationRow.first_seen_at, AnnotationRow.created_at
    return case((seen < dated, seen), else_=dated)


def mean_lead_time(session: Session, project_id: int, task_ids: Sequence[int]) -> float | None:
    """Seconds that a human label of these tasks took on average; None where none was timed."""
    count, seconds = 0, 0.0
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        timed, spent = session.execute(
            select(
                func.count(AnnotationRow.lead_time_s), func.sum(AnnotationRow.lead_time_s)
            ).where(
                AnnotationRow.project_id == project_id,
                AnnotationRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
                *standing(),
            )
        ).one()
        count, seconds = count + timed, seconds + (spent or 0.0)
    return seconds / count if count else None


def count_human_labels(session: Session, project_id: int) -> int:
    """Every human look so far: labels that people gave and that still stand, counting or not."""
    return (
        session.scalar(
            select(func.count())
            .select_from(AnnotationRow)
            .where(AnnotationRow.project_id == project_id, *standing())
        )
        or 0
    )


def count_new_labels(session: Session, project_id: int) -> int:
    """Those looks that may teach a model something: not the answers that gold asked for."""
    asked_for_gold = (
        select(GoldRow.task_id)
        .where(
            GoldRow.project_id == AnnotationRow.project_id,
            GoldRow.task_id == AnnotationRow.task_id,
            GoldRow.since <= AnnotationRow.created_at,
        )
        .exists()
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(AnnotationRow)
            .where(AnnotationRow.project_id == project_id, *standing(), ~asked_for_gold)
        )
        or 0
    )


def standing() -> tuple[Any, ...]:
    """The conditions under which an annotation is a person's answer that still stands."""
    return (
        AnnotationRow.by_robot.is_(False),
        AnnotationRow.was_cancelled.is_(False),
        AnnotationRow.deleted_at.is_(None),
    )


def human() -> tuple[Any, ...]:
    """The conditions under which it counts too: gold has not shown its author to be unfit."""
    return (*standing(), counting_users())
