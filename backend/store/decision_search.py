"""Searching the ledger: what was decided by task, label, route, score, version, policy or answer.

A million decisions are read from one index in about the time that a page has. So a search looks at
the ledger in windows of its numbers, newest first, and stops when the page is full or its time is
over; then it says how far it came, and can be continued there. What is rare is found by an index of
its own: a task, a label, what people answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from backend.store.decision_conditions import (
    Asked,
    Order,
    Wanted,
    conditions_of,
    is_label,
    is_short,
)
from backend.store.ledger import LedgerEntry, entry_of, newest_seq
from backend.store.tables import AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import human

# What a page under 300 ms has for its search, with room for all else that it does.
BUDGET_S = 0.18
# Answers to at most so many tasks are looked up task by task.
_MOST_LOOKED_UP = 8_000
_FIRST_WINDOW, _SMALLEST_WINDOW = 16_384, 4_096


# Added to 0, the number neither bounds nor sorts an index: the tasks are what to look up.
_NO_INDEX = DecisionRow.seq + 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page in the order asked for. ``more`` says that others follow in the direction read.

    ``searched_to`` is the last number that was looked at where time was over before the end of what
    was to be searched, None where all of it was.
    """

    entries: tuple[LedgerEntry, ...]
    more: bool
    searched_to: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBox:
    """How long a search may look, in seconds of ``clock``; None: to the end."""

    seconds: float | None = BUDGET_S
    clock: Callable[[], float] = time.perf_counter


def search(session: Session, project_id: int, asked: Asked, box: TimeBox | None = None) -> Found:
    """The page of decisions. Those without a score are left out where it is sorted by score."""
    bounds = _bounds(session, project_id, asked)
    tasks = _tasks_of(session, project_id, asked.wanted)
    searched_to = None
    if tasks == []:
        rows = []
    elif tasks is not None:
        chosen = [*_of_tasks(project_id, asked, tasks), _NO_INDEX.between(*bounds)]
        rows = list(_best(session, asked, chosen, _NO_INDEX))
    else:
        rows, searched_to = _in_windows(
            session,
            asked,
            (conditions_of(project_id, asked), bounds),
            box or TimeBox(seconds=BUDGET_S),
        )
    page = rows[: asked.limit]
    if asked.before is not None:
        page.reverse()
    return Found(
        entries=_entries(session, project_id, [row[0] for row in page]),
        more=len(rows) > asked.limit,
        searched_to=searched_to,
    )


def _bounds(session: Session, project_id: int, asked: Asked) -> tuple[int, int]:
    """The first and the last number to look at; the second is smaller where there is none.

    Entries are appended in the order of time, so times are numbers too: found by halving.
    """
    wanted, newest = asked.wanted, newest_seq(session, project_id)
    low, high = 1, newest
    if wanted.first_seq is not None:
        low = max(low, wanted.first_seq)
    if wanted.last_seq is not None:
        high = min(high, wanted.last_seq)
    if wanted.since is not None:
        low = max(low, _first_at(session, project_id, wanted.since, newest))
    if wanted.until is not None:
        high = min(high, _first_at(session, project_id, wanted.until, newest) - 1)
    if asked.order is Order.NEWEST and asked.after is not None:
        high = min(high, asked.after.seq - 1)
    if asked.order is Order.NEWEST and asked.before is not None:
        low = max(low, asked.before.seq + 1)
    return low, high


def _first_at(session: Session, project_id: int, moment: datetime, newest: int) -> int:
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        at = session.scalar(
            select(DecisionRow.decided_at)
            .where(DecisionRow.project_id == project_id, DecisionRow.seq >= middle)
            .order_by(DecisionRow.seq)
            .limit(1)
        )
        if at is not None and at < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _tasks_of(session: Session, project_id: int, wanted: Wanted) -> list[int] | None:
    """The tasks to look up one by one; None where too many, or all, come into question."""
    if wanted.task_id is not None:
        return [wanted.task_id]
    if wanted.human is None or not is_short(wanted.human):
        return None
    answered = session.scalars(
        select(AnnotationRow.task_id)
        .where(
            AnnotationRow.project_id == project_id,
            *is_label(AnnotationRow.label, "annotations", wanted.human),
            *human(),
        )
        .distinct()
        .limit(_MOST_LOOKED_UP + 1)
    ).all()
    return list(answered) if len(answered) <= _MOST_LOOKED_UP else None


def _of_tasks(project_id: int, asked: Asked, tasks: Sequence[int]) -> list[ColumnElement[bool]]:
    """The conditions where the tasks are known: by task, or by number.

    What holds now is one decision a task, and its number stands in the task. Tasks that were found
    by what people said need not be asked that again.
    """
    human = None if asked.wanted.task_id is None else asked.wanted.human
    wanted = replace(asked.wanted, human=human, current=False)
    rest = conditions_of(project_id, replace(asked, wanted=wanted))
    if not asked.wanted.current:
        return [*rest, DecisionRow.task_id.in_(tasks)]
    holding = select(TaskRow.decision_seq).where(
        TaskRow.project_id == project_id, TaskRow.task_id.in_(tasks)
    )
    return [*rest, DecisionRow.seq.in_(holding)]


def _in_windows(
    session: Session,
    asked: Asked,
    where: tuple[list[ColumnElement[bool]], tuple[int, int]],
    box: TimeBox,
) -> tuple[list[Row[int, float | None]], int | None]:
    """The best of one window after the other, until the page is full, all is seen, time is over."""
    conditions, (low, high) = where
    upwards = asked.order is Order.NEWEST and asked.before is not None
    began, size = box.clock(), _FIRST_WINDOW
    rows: list[Row[int, float | None]] = []
    while low <= high:
        if upwards:
            window = (low, min(high, low + size - 1))
            low = window[1] + 1
        else:
            window = (max(low, high - size + 1), high)
            high = window[0] - 1
        rows += _best(session, asked, [*conditions, DecisionRow.seq.between(*window)])
        if asked.order is Order.SCORE:
            rows = sorted(rows, key=_by_score, reverse=asked.before is None)[: asked.limit + 1]
        elif len(rows) > asked.limit:
            return rows, None
        spent = box.clock() - began
        if box.seconds is not None and spent >= box.seconds and low <= high:
            return rows, window[1] if upwards else window[0]
        size = _next_size(size, spent, box)
    return rows, None


def _next_size(size: int, spent: float, box: TimeBox) -> int:
    """Eight times as many, but no more than the time that is left seems to do for.

    ``size`` were the most of all that ``spent`` seconds went into.
    """
    if box.seconds is None or spent <= 0:
        return 8 * size
    left = int(size * (box.seconds - spent) / spent)
    return max(_SMALLEST_WINDOW, min(8 * size, left))


def _by_score(row: Row[int, float | None]) -> tuple[float, int]:
    return row[1] or 0.0, row[0]


def _best(
    session: Session,
    asked: Asked,
    conditions: Sequence[ColumnElement[bool]],
    seq: ColumnElement[int] | InstrumentedAttribute[int] = DecisionRow.seq,
) -> Sequence[Row[int, float | None]]:
    """Numbers and scores of the first of those that meet the conditions, one more than a page."""
    upwards = asked.before is not None
    columns = [DecisionRow.score, seq] if asked.order is Order.SCORE else [seq]
    return session.execute(
        select(DecisionRow.seq, DecisionRow.score)
        .where(*conditions)
        .order_by(*(each.asc() if upwards else each.desc() for each in columns))
        .limit(asked.limit + 1)
    ).all()


def _entries(session: Session, project_id: int, seqs: Sequence[int]) -> tuple[LedgerEntry, ...]:
    rows = session.scalars(
        select(DecisionRow).where(DecisionRow.project_id == project_id, DecisionRow.seq.in_(seqs))
    )
    by_seq = {row.seq: entry_of(row) for row in rows}
    return tuple(by_seq[seq] for seq in seqs)


def decided_at(session: Session, project_id: int, seq: int) -> datetime | None:
    """When the entry of this number was appended."""
    return session.scalar(
        select(DecisionRow.decided_at).where(
            DecisionRow.project_id == project_id, DecisionRow.seq == seq
        )
    )
