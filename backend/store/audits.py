"""What decides how many audits are drawn, read in columns: draws so far, and what stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.ledger import LedgerEntry, entry_of
from backend.store.tables import AnnotationRow, DecisionRow, TaskRow
from backend.store.votes import human
from policies.audit_plan import Exposures
from policies.domain import MODEL, BoolArray, FloatArray, IntArray, ObjectArray, Outcome, Purpose

_IDS_PER_STATEMENT = 5_000
_ROWS_PER_READ = 5_000
# Above this many tasks one pass over the ledger is quicker than looking each of them up.
_MOST_LOOKED_UP = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCount:
    """The audits of one accepted label by one version: drawn, answered, and found wrong."""

    label: str
    model_version: str | None
    drawn: int
    answered: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDecisions:
    """Current decisions of unlabelled tasks in columns: accepts, and those of one more rule.

    ``accepts`` are those with the outcome accept, of which ``audited`` were drawn; the others are
    of the rule. ``frozen`` went out for good.
    """

    seqs: IntArray
    task_ids: IntArray
    labels: ObjectArray
    scores: FloatArray
    predictors: ObjectArray
    chances: FloatArray
    accepts: BoolArray
    audited: BoolArray
    frozen: BoolArray
    policies: ObjectArray
    certificates: ObjectArray

    def __len__(self) -> int:
        return len(self.seqs)


def audit_counts(session: Session, project_id: int) -> list[AuditCount]:
    """How many audits stand, by label and version: those of current decisions alone.

    An audit whose label a later version no longer gives is none any more. Anybody's answer that
    differs counts as an error until it is settled otherwise, so that rather more audits are drawn.
    """
    wrong = and_(
        exists().where(
            AnnotationRow.project_id == DecisionRow.project_id,
            AnnotationRow.task_id == DecisionRow.task_id,
            AnnotationRow.label != DecisionRow.label,
            *human(),
        ),
        TaskRow.settled_label.is_distinct_from(DecisionRow.label),
    )
    rows = session.execute(
        select(
            DecisionRow.label,
            DecisionRow.model_version,
            func.count(),
            func.sum(case((TaskRow.human_labels > 0, 1), else_=0)),
            func.sum(case((and_(TaskRow.human_labels > 0, wrong), 1), else_=0)),
        )
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.outcome == Outcome.ACCEPT.value,
            DecisionRow.purpose == Purpose.AUDIT.value,
            DecisionRow.label.is_not(None),
            TaskRow.deleted_at.is_(None),
        )
        .group_by(DecisionRow.label, DecisionRow.model_version)
        .order_by(DecisionRow.label, DecisionRow.model_version)
    )
    return [
        AuditCount(label=label, model_version=version, drawn=drawn, answered=answered, wrong=wrong)
        for label, version, drawn, answered, wrong in rows
    ]


def exposures(session: Session, project_id: int, task_ids: Sequence[int]) -> Exposures:
    """Every pair of these tasks and a label that was accepted before, with the draw it was in.

    An accept that was not drawn holds one minus its share. Of a pair that was accepted several
    times the newest entry counts: an audit drawn later on has a greater share.
    """
    wanted: list[ColumnElement[bool] | None] = [None]
    if len(task_ids) <= _MOST_LOOKED_UP:
        wanted = [
            DecisionRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT])
            for start in range(0, len(task_ids), _IDS_PER_STATEMENT)
        ]
    parts = [part for chosen in wanted for part in _exposed(session, project_id, chosen)]
    if not parts:
        return Exposures()
    ids, labels, chances, draws, audited = (
        np.concatenate([part[place] for part in parts]) for place in range(5)
    )
    shares = np.where(audited, chances, 1 - chances)
    return Exposures(task_ids=ids, labels=labels, shares=shares, draws=draws)


def _exposed(
    session: Session, project_id: int, chosen: ColumnElement[bool] | None
) -> Iterable[tuple[Any, ...]]:
    query = select(
        DecisionRow.task_id,
        DecisionRow.label,
        DecisionRow.inclusion_probability,
        DecisionRow.draw,
        DecisionRow.purpose == Purpose.AUDIT.value,
    ).where(
        DecisionRow.project_id == project_id,
        DecisionRow.outcome == Outcome.ACCEPT.value,
        DecisionRow.label.is_not(None),
    )
    if chosen is not None:
        query = query.where(chosen)
    result = session.execute(query.order_by(DecisionRow.seq), execution_options=_STREAMED)
    same: dict[str, str] = {}  # one text a label, however many rows name it
    with result:
        for rows in result.partitions():
            ids, labels, chances, draws, audited = zip(*rows, strict=True)
            yield (
                np.array(ids, np.int64),
                _column([same.setdefault(label, label) for label in labels]),
                np.array(chances, np.float64),
                np.array(draws, np.float64),
                np.array(audited, np.bool_),
            )


_STREAMED = {"yield_per": _ROWS_PER_READ}


def standing_decisions(
    session: Session,
    project_id: int,
    *,
    model_version: str | None = None,
    rule: str | None = None,
    frozen: bool = False,
) -> StandingDecisions:
    """Accepts of tasks that nobody has labelled, by task; with those of one more rule if asked.

    Of one version where it is named; with those that a freeze made final where asked.
    """
    accepts = DecisionRow.outcome == Outcome.ACCEPT.value
    query = (
        select(
            DecisionRow.seq,
            DecisionRow.task_id,
            DecisionRow.label,
            DecisionRow.score,
            DecisionRow.predictor,
            DecisionRow.inclusion_probability,
            accepts,
            and_(accepts, DecisionRow.purpose == Purpose.AUDIT.value),
            TaskRow.freeze_id.is_not(None),
            DecisionRow.policy_hash,
            DecisionRow.certificate_id,
        )
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == project_id,
            accepts if rule is None else or_(accepts, DecisionRow.rule == rule),
            DecisionRow.label.is_not(None),
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            TaskRow.escalated_to.is_(None),
        )
        .order_by(DecisionRow.task_id)
    )
    if model_version is not None:
        query = query.where(DecisionRow.model_version == model_version)
    if not frozen:
        query = query.where(TaskRow.freeze_id.is_(None))
    rows = session.execute(query).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    seqs, ids, labels, scores, predictors, chances = columns[:6]
    taken, drawn, final, policies, certificates = columns[6:]
    return StandingDecisions(
        seqs=np.array(seqs, np.int64),
        task_ids=np.array(ids, np.int64),
        labels=_column(labels),
        scores=np.array([np.nan if each is None else each for each in scores], np.float64),
        predictors=_column([each or MODEL for each in predictors]),
        chances=np.array(chances, np.float64),
        accepts=np.array(taken, np.bool_),
        audited=np.array(drawn, np.bool_),
        frozen=np.array(final, np.bool_),
        policies=_column(policies),
        certificates=_column(certificates),
    )


def entries_at(session: Session, project_id: int, seqs: Sequence[int]) -> list[LedgerEntry]:
    """The entries of the ledger with these numbers, in their order; at most a few thousand."""
    rows = session.scalars(
        select(DecisionRow)
        .where(DecisionRow.project_id == project_id, DecisionRow.seq.in_(seqs))
        .order_by(DecisionRow.seq)
    )
    return [entry_of(row) for row in rows]


def newest_arrival(session: Session, project_id: int) -> datetime | None:
    """When the last task came that is still there."""
    return session.scalar(
        select(func.max(TaskRow.created_at)).where(
            TaskRow.project_id == project_id, TaskRow.deleted_at.is_(None)
        )
    )


def _column(values: Iterable[object]) -> ObjectArray:
    listed = list(values)
    made = np.empty(len(listed), object)
    made[:] = listed
    return made
