"""What deployed models answered, as it is measured: what was drawn for people, and all counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceDayRow, InferenceRow
from backend.store.inferences import DRAWN, LOST, PASSED, PLACED, WAITING
from backend.store.tables import TaskRow
from policies.domain import FloatArray, IntArray, ObjectArray, column

# What the draw picked, whatever became of it.
_PICKED = (DRAWN, PLACED, LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedInferences:
    """Answers that the draw picked, in columns of one length, in the order in which they came.

    ``task_ids`` is 0 where no task was made of one (yet). ``shares`` is the chance of being drawn;
    ``slices`` has a column of texts for each field that was asked for, None where it is missing.
    """

    at: ObjectArray
    versions: ObjectArray
    predicted: ObjectArray
    shares: FloatArray
    task_ids: IntArray
    slices: dict[str, ObjectArray]

    def __len__(self) -> int:
        return len(self.task_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedInferences:
    """How many answers there were, in columns: one row a day, version, predicted label and slice.

    ``days`` are texts (2026-03-01, UTC).
    """

    days: ObjectArray
    versions: ObjectArray
    predicted: ObjectArray
    slices: dict[str, ObjectArray]
    counts: IntArray

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptInferences:
    """A random part of the answers of some days, with what was kept of them; ``of`` are stored."""

    ids: IntArray
    predicted: ObjectArray
    scores: FloatArray
    data: list[dict[str, Any]]
    of: int


def picked_inferences(
    session: Session, project_id: int, fields: Sequence[str] = ()
) -> PickedInferences:
    """Everything that was drawn for people, also what waits for its data or lost it."""
    rows = session.execute(
        select(
            InferenceRow.at,
            InferenceRow.model_version,
            InferenceRow.predicted,
            InferenceRow.share,
            InferenceRow.task_id,
            *([InferenceRow.slices] if fields else []),
        )
        .where(
            InferenceRow.project_id == project_id,
            InferenceRow.state.in_(_PICKED),
            InferenceRow.share > 0,
        )
        .order_by(InferenceRow.id)
    ).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    at, versions, predicted, shares, task_ids = columns[:5]
    slices = columns[5] if fields else ()
    return PickedInferences(
        at=column(at),
        versions=column(versions),
        predicted=column(predicted),
        shares=np.array(shares, np.float64),
        task_ids=np.array([task_id or 0 for task_id in task_ids], np.int64),
        slices={field: _values(slices, field) for field in fields},
    )


def counted_inferences(
    session: Session, project_id: int, fields: Sequence[str] = ()
) -> CountedInferences:
    """All answers that were looked at, also those that were deleted since."""
    rows = session.execute(
        select(
            InferenceDayRow.day,
            InferenceDayRow.model_version,
            InferenceDayRow.predicted,
            InferenceDayRow.slice,
            InferenceDayRow.answers,
        )
        .where(InferenceDayRow.project_id == project_id)
        .order_by(InferenceDayRow.day, InferenceDayRow.model_version, InferenceDayRow.predicted)
    ).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    days, versions, predicted, slices, counts = columns
    known = {text: orjson.loads(text) if text else {} for text in set(slices)}
    parts = [known[text] for text in slices]
    return CountedInferences(
        days=column(days),
        versions=column(versions),
        predicted=column(predicted),
        slices={field: _values(parts, field) for field in fields},
        counts=np.array(counts, np.int64),
    )


def rows_of_deleted(session: Session, project_id: int) -> list[int]:
    """The rows of those that were placed and whose task was deleted before anybody answered it."""
    gone = select(TaskRow.task_id).where(
        TaskRow.project_id == project_id, TaskRow.deleted_at.is_not(None), TaskRow.human_labels == 0
    )
    return list(
        session.scalars(
            select(InferenceRow.id).where(
                InferenceRow.project_id == project_id,
                InferenceRow.state == PLACED,
                InferenceRow.task_id.in_(gone),
            )
        )
    )


def count_inferences(session: Session, project_id: int) -> dict[str, int]:
    """How many answers are in each state; those that were passed over count after they are gone."""
    rows = session.execute(
        select(InferenceRow.state, func.count())
        .where(InferenceRow.project_id == project_id, InferenceRow.state.in_((WAITING, *_PICKED)))
        .group_by(InferenceRow.state)
    )
    found = {**dict.fromkeys((WAITING, PASSED, *_PICKED), 0), **dict(rows.all())}
    looked_at = session.scalar(
        select(func.sum(InferenceDayRow.answers)).where(InferenceDayRow.project_id == project_id)
    )
    found[PASSED] = max(int(looked_at or 0) - sum(found[state] for state in _PICKED), 0)
    return found


def kept_inferences(
    session: Session, project_id: int, model_version: str, days: tuple[date, date], most: int
) -> KeptInferences:
    """A random part of a version's answers from the first of two days to the last, by arrival.

    Those with the smallest draws: a draw is a hash, the same whenever one looks. About ``most``.
    """
    since, until = (
        datetime.fromisoformat(f"{day.isoformat()}T{time}+00:00")
        for day, time in zip(days, ("00:00:00", "23:59:59.999999"), strict=True)
    )
    inside = (
        InferenceRow.project_id == project_id,
        InferenceRow.at >= since,
        InferenceRow.at <= until,
        InferenceRow.model_version == model_version,
        InferenceRow.draw.is_not(None),
    )
    of = session.scalar(select(func.count()).select_from(InferenceRow).where(*inside)) or 0
    query: Select[Any] = select(
        InferenceRow.id,
        InferenceRow.predicted,
        InferenceRow.score,
        InferenceRow.data,
        InferenceRow.slices,
    ).where(*inside)
    if of > most:
        query = query.where(InferenceRow.draw < most / of)
    rows = session.execute(query.order_by(InferenceRow.id)).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    ids, predicted, scores, data, slices = columns
    return KeptInferences(
        ids=np.array(ids, np.int64),
        predicted=column(predicted),
        scores=np.array([np.nan if each is None else each for each in scores], np.float64),
        data=[
            {**(kept or {}), **(values or {})} for kept, values in zip(data, slices, strict=True)
        ],
        of=of,
    )


def _values(slices: Sequence[dict[str, Any] | None], field: str) -> ObjectArray:
    values = ((each or {}).get(field) for each in slices)
    return column([None if value is None else str(value) for value in values])
