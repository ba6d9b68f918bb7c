"""The decisions of tasks that wait for a person, or for nobody at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.tables import AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import standing
from policies.domain import Outcome, Purpose

_ROWS_PER_READ = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDecision:
    """What placing a task needs to know of its current decision.

    ``escalated`` says that it waits for the tier's word on other people's, ``wants_reader`` that it
    waits for one more answer of the same tier; ``people`` is how many answered it so far, those
    whose answers do not count too. ``prelabelled`` asks for the model's answer outside of the day's
    queue too.
    """

    seq: int
    task_id: int
    outcome: Outcome
    purpose: Purpose
    tier: str | None
    label: str | None
    score: float | None
    draw: float
    model_version: str | None
    signals: Mapping[str, float]
    escalated: bool = False
    people: int = 0
    wants_reader: bool = False
    prelabelled: bool = False
    part_scores: tuple[float, ...] = ()
    predictor: str | None = None


def open_decisions(
    session: Session, project_id: int, but: ColumnElement[bool] | None = None
) -> list[OpenDecision]:
    """The current decisions of all tasks that wait for a person, or for nobody at all, by task.

    Those that nobody has labelled whose answers count, the contested ones that a more expert tier
    has to settle, and those that wait for one more reader. What is frozen is not open. ``but``
    leaves out what a condition on a task and its decision is true of.
    """
    query = (
        select(
            DecisionRow.seq,
            DecisionRow.task_id,
            DecisionRow.outcome,
            DecisionRow.purpose,
            DecisionRow.tier,
            DecisionRow.label,
            DecisionRow.score,
            DecisionRow.draw,
            DecisionRow.model_version,
            DecisionRow.signals,
            DecisionRow.part_scores,
            DecisionRow.predictor,
            TaskRow.escalated_to.is_not(None),
            TaskRow.wants_reader,
            TaskRow.prelabelled,
        )
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None), is_open())
        .order_by(DecisionRow.task_id)
    )
    if but is not None:
        query = query.where(~but)
    people = _people(session, project_id)
    rows = session.execute(query.execution_options(yield_per=_ROWS_PER_READ))
    return [_open_decision(tuple(row), people) for row in rows]


# Hundreds of thousands may be open: they share what is the same of all of them.
_NO_SIGNALS: Mapping[str, float] = MappingProxyType({})
_OUTCOMES = {each.value: each for each in Outcome}
_PURPOSES = {each.value: each for each in Purpose}


def _open_decision(row: tuple[Any, ...], people: Mapping[int, int]) -> OpenDecision:
    seq, task_id, outcome, purpose, tier, label, score, draw, version, *others = row
    signals, part_scores, predictor, escalated, wants_reader, prelabelled = others
    return OpenDecision(
        seq=seq,
        task_id=task_id,
        outcome=_OUTCOMES[outcome],
        purpose=_PURPOSES[purpose],
        tier=tier,
        label=label,
        score=score,
        draw=draw,
        model_version=version,
        signals=signals or _NO_SIGNALS,
        part_scores=tuple(part_scores or ()),
        predictor=predictor,
        escalated=bool(escalated),
        people=people.get(task_id, 0),
        wants_reader=wants_reader,
        prelabelled=prelabelled,
    )


def is_open() -> ColumnElement[bool]:
    """The condition under which a task waits for somebody's answer, or for an accept."""
    return or_(
        and_(TaskRow.human_labels == 0, TaskRow.freeze_id.is_(None)),
        TaskRow.escalated_to.is_not(None),
        TaskRow.wants_reader.is_(True),
    )


def _people(session: Session, project_id: int) -> dict[int, int]:
    """How many people have answered each open task, as Label Studio counts for the overlap."""
    rows = session.execute(
        select(TaskRow.task_id, func.count(AnnotationRow.user_id.distinct()))
        .join(
            AnnotationRow,
            and_(
                AnnotationRow.project_id == TaskRow.project_id,
                AnnotationRow.task_id == TaskRow.task_id,
            ),
        )
        .where(TaskRow.project_id == project_id, is_open(), *standing())
        .group_by(TaskRow.task_id)
    )
    return dict(rows.all())
