"""What a search of the ledger asks for, and the conditions of SQL that it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, literal_column, select, tuple_

from backend.store.tables import SHORT_LABEL, AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import human
from policies.domain import Outcome, Purpose

_LONGEST_SHORT_LABEL = 64  # as in SHORT_LABEL


class Order(StrEnum):
    """What comes first."""

    NEWEST = "newest"
    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions are looked for; None asks for nothing.

    ``since`` is inclusive, ``until`` exclusive. ``first_seq`` and ``last_seq`` bound the ledger's
    numbers. ``human`` is a label that a person whose answer counts gave to the task, ``differs``
    asks for tasks that such a person gave another label than the decision's. ``current`` leaves out
    what a later decision of the same task has replaced.
    """

    task_id: int | None = None
    label: str | None = None
    outcome: Outcome | None = None
    purpose: Purpose | None = None
    tier: str | None = None
    rule: str | None = None
    model_version: str | None = None
    policies: tuple[str, ...] | None = None
    score_from: float | None = None
    score_to: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    human: str | None = None
    differs: bool = False
    current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ends: a decision's number, and its score where that is what is sorted by."""

    seq: int
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One page: what follows ``after``, or what stands right before ``before``, else the first."""

    wanted: Wanted
    order: Order = Order.NEWEST
    after: Place | None = None
    before: Place | None = None
    limit: int = 50


def conditions_of(project_id: int, asked: Asked) -> list[ColumnElement[bool]]:
    """All that is asked for but the bounds of the ledger's numbers."""
    found = [DecisionRow.project_id == project_id, *_of_the_entry(asked.wanted)]
    found += _of_the_task(project_id, asked.wanted)
    if asked.order is Order.SCORE:
        found.append(DecisionRow.score.is_not(None))
        sorted_by: Any = tuple_(DecisionRow.score, DecisionRow.seq)
        if asked.after is not None:
            found.append(sorted_by < (asked.after.score, asked.after.seq))
        if asked.before is not None:
            found.append(sorted_by > (asked.before.score, asked.before.seq))
    return found


def _of_the_entry(wanted: Wanted) -> list[ColumnElement[bool]]:
    row = DecisionRow
    equal = (
        (row.outcome, wanted.outcome),
        (row.purpose, wanted.purpose),
        (row.tier, wanted.tier),
        (row.rule, wanted.rule),
        (row.model_version, wanted.model_version),
    )
    found = [column == value for column, value in equal if value is not None]
    if wanted.label is not None:
        found += is_label(row.label, "decisions", wanted.label)
    if wanted.policies is not None:
        found.append(row.policy_hash.in_(wanted.policies))
    if wanted.score_from is not None:
        found.append(row.score >= wanted.score_from)
    if wanted.score_to is not None:
        found.append(row.score <= wanted.score_to)
    return found


def _of_the_task(project_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.current:
        stands = TaskRow.project_id == project_id, TaskRow.decision_seq == DecisionRow.seq
        found.append(select(TaskRow.decision_seq).where(*stands).exists())
    if wanted.human is not None:
        found.append(_answered(AnnotationRow.label == wanted.human))
    if wanted.differs:
        found.append(_answered(AnnotationRow.label != DecisionRow.label))
    return found


def is_label(column: Any, table: str, label: str) -> list[ColumnElement[bool]]:
    """The column's label is this one; a short one is found by the index that has those alone."""
    found = [column == label]
    if is_short(label):
        found.append(literal_column(SHORT_LABEL.replace("label", f"{table}.label")))
    return found


def is_short(label: str) -> bool:
    """Whether the indexes over labels hold it."""
    return len(label) <= _LONGEST_SHORT_LABEL


def _answered(said: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(AnnotationRow.annotation_id)
        .where(
            AnnotationRow.project_id == DecisionRow.project_id,
            AnnotationRow.task_id == DecisionRow.task_id,
            said,
            *human(),
        )
        .exists()
    )
