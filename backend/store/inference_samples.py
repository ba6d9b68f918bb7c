"""Inferences as a job looks at them, and how many of each kind came a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceDayRow, InferenceRow
from backend.store.inferences import DRAWN, LOST, WAITING

_ROWS = InferenceRow.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Inferences that nobody has looked at, in columns, in the order in which they came.

    ``data`` is None where it was not asked for; its values are None where only ids are kept.
    """

    ids: list[int]
    inference_ids: list[str]
    model_versions: list[str]
    predicted: list[str]
    scores: list[float | None]
    times: list[datetime]
    slices: list[dict[str, str] | None]
    data: list[dict[str, Any] | None] | None

    def __len__(self) -> int:
        return len(self.ids)


def waiting_inferences(
    session: Session, project_id: int, after: int, limit: int, *, with_data: bool
) -> Waiting:
    """The next of them behind row ``after``, at most ``limit``."""
    columns = [_ROWS.id, _ROWS.inference_id, _ROWS.model_version, _ROWS.predicted, _ROWS.score]
    columns += [_ROWS.at, _ROWS.slices, *([_ROWS.data] if with_data else [])]
    rows = session.execute(
        select(*columns)
        .where(_ROWS.project_id == project_id, _ROWS.state == WAITING, _ROWS.id > after)
        .order_by(_ROWS.id)
        .limit(limit)
    ).all()
    found = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
    return Waiting(
        ids=found[0],
        inference_ids=found[1],
        model_versions=found[2],
        predicted=found[3],
        scores=found[4],
        times=found[5],
        slices=found[6],
        data=found[7] if with_data else None,
    )


def count_in_states(session: Session, project_id: int, states: Sequence[str]) -> int:
    """How many inferences are in one of these states."""
    query = select(func.count()).where(_ROWS.project_id == project_id, _ROWS.state.in_(states))
    return session.scalar(query) or 0


def earliest_waiting(session: Session, project_id: int) -> datetime | None:
    """When the first of those was answered that nobody has looked at; None without one."""
    found: datetime | None = session.scalar(
        select(func.min(_ROWS.at))
        .where(_ROWS.project_id == project_id, _ROWS.state == WAITING)
        # Else SQLite walks through all answers by their time until one of them waits.
        .group_by(_ROWS.state)
    )
    return found


def first_wanted(session: Session, project_id: int, *, lost: bool = False) -> datetime | None:
    """When the first came in of those that are to become tasks; None without one.

    ``lost`` ones are to become tasks too if asked.
    """
    found = [
        session.scalar(
            select(_ROWS.received_at)
            .where(_ROWS.project_id == project_id, _ROWS.state == state)
            .order_by(_ROWS.id)
            .limit(1)
        )
        for state in ((DRAWN, LOST) if lost else (DRAWN,))
    ]
    return min((each for each in found if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at an inference came to; ``why`` only where it was drawn."""

    row_id: int
    share: float
    draw: float
    state: str
    why: str | None


def store_looks(session: Session, looks: Sequence[Looked]) -> None:
    """Note them, in bulk."""
    if not looks:
        return
    statement = (
        update(InferenceRow.__table__)  # type: ignore[arg-type]  # a table, says SQLAlchemy itself
        .where(_ROWS.id == bindparam("row_id"))
        .values(
            share=bindparam("its_share"),
            draw=bindparam("its_draw"),
            state=bindparam("its_state"),
            why=bindparam("its_why"),
        )
    )
    session.execute(
        statement,
        [
            {
                "row_id": each.row_id,
                "its_share": each.share,
                "its_draw": each.draw,
                "its_state": each.state,
                "its_why": each.why,
            }
            for each in looks
        ],
    )


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many answers of a kind came in a day: the columns of ``InferenceDayRow``."""

    day: str
    model_version: str
    predicted: str
    slice: str
    answers: int


def add_day_counts(session: Session, project_id: int, counts: Iterable[DayCount]) -> None:
    """So many more came; whoever adds does so in the transaction that notes the looks."""
    rows = [
        {
            "project_id": project_id,
            "day": each.day,
            "model_version": each.model_version,
            "predicted": each.predicted,
            "slice": each.slice,
            "answers": each.answers,
        }
        for each in counts
    ]
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table = InferenceDayRow.__table__
    statement = insert(table)  # type: ignore[arg-type]  # a table, says SQLAlchemy itself
    session.execute(
        statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={"answers": table.c.answers + statement.excluded.answers},
        ),
        rows,
    )


def day_counts(session: Session, project_id: int, since: str) -> Iterator[DayCount]:
    """The counts from that day on (ISO date), all versions together ("")."""
    rows = session.execute(
        select(
            InferenceDayRow.day,
            InferenceDayRow.predicted,
            InferenceDayRow.slice,
            func.sum(InferenceDayRow.answers),
        )
        .where(InferenceDayRow.project_id == project_id, InferenceDayRow.day >= since)
        .group_by(InferenceDayRow.day, InferenceDayRow.predicted, InferenceDayRow.slice)
    )
    for day, predicted, values, answers in rows:
        yield DayCount(day, "", predicted, values, int(answers))


def first_day(session: Session, project_id: int) -> str | None:
    """The first day that answers were counted on, as an ISO date; None without one."""
    return session.scalar(
        select(func.min(InferenceDayRow.day)).where(InferenceDayRow.project_id == project_id)
    )
