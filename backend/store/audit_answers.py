"""Audits with what auditors answered, in columns: nothing is read row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.tables import AnnotationRow, DecisionRow, GoldRow, TaskRow
from backend.store.votes import human
from policies.automation import RULES_ALONE
from policies.domain import MODEL, BoolArray, FloatArray, IntArray, ObjectArray, Outcome, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """Every audit of a project in columns of one length, by the ledger's number of its decision.

    ``labels`` would have been accepted with ``scores``; ``versions`` and ``policies`` decided it.
    ``first`` and ``second`` are what the first two auditors said (None: nobody yet), ``found`` is
    what the audit came to: None while nobody has answered who counts, or while it is contested.
    ``answered`` says that somebody labelled the task, an auditor or not, ``waiting`` that a second
    auditor is asked. ``weeks`` is the ISO week (UTC) of the first answer, None without one;
    ``slices`` has a column for each task field that was asked for.
    """

    seqs: IntArray
    task_ids: IntArray
    labels: ObjectArray
    scores: FloatArray
    predictors: ObjectArray
    versions: ObjectArray
    policies: ObjectArray
    chances: FloatArray
    first: ObjectArray
    second: ObjectArray
    found: ObjectArray
    answered: BoolArray
    contested: BoolArray
    waiting: BoolArray
    weeks: ObjectArray
    slices: dict[str, ObjectArray]

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def judged(self) -> BoolArray:
        """The audits that count: an auditor's answer stands."""
        return np.array([label is not None for label in self.found.tolist()], dtype=np.bool_)

    @property
    def passed(self) -> BoolArray:
        """Where the auditor's label is the accepted one; false of those that do not count."""
        return np.asarray(self.found == self.labels, dtype=np.bool_) & self.judged


def audits(
    session: Session, project_id: int, auditors: Collection[int], fields: Sequence[str] = ()
) -> Audits:
    """All audits, with the answers of these users; ``fields`` are read from the tasks' data.

    A label that had to be weighed counts as it was settled, gold as what is known to be true.
    """
    rows = session.execute(
        select(
            DecisionRow.seq,
            DecisionRow.task_id,
            DecisionRow.label,
            DecisionRow.score,
            DecisionRow.predictor,
            DecisionRow.model_version,
            DecisionRow.policy_hash,
            DecisionRow.inclusion_probability,
            TaskRow.human_labels,
            TaskRow.escalated_to,
            TaskRow.settled_label,
            TaskRow.wants_reader,
            GoldRow.label,
            *([TaskRow.data] if fields else []),
        )
        .join(TaskRow, is_current())
        .outerjoin(
            GoldRow,
            (GoldRow.project_id == TaskRow.project_id) & (GoldRow.task_id == TaskRow.task_id),
        )
        .where(*_audits_of(project_id))
        .order_by(DecisionRow.seq)
    ).all()
    said, since = _said(session, project_id, auditors)
    told = [said.get(row[1], ()) for row in rows]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 14
    seqs, ids, labels, scores, predictors, versions, policies, chances = columns[:8]
    people, escalated, settled, wanting, true = columns[8:13]
    return Audits(
        seqs=np.array(seqs, dtype=np.int64),
        task_ids=np.array(ids, dtype=np.int64),
        labels=_column(labels),
        scores=np.array([np.nan if each is None else each for each in scores], dtype=np.float64),
        predictors=_column(each or MODEL for each in predictors),
        versions=_column(each or RULES_ALONE for each in versions),
        policies=_column(policies),
        chances=np.array(chances, dtype=np.float64),
        first=_column(each[0] if each else None for each in told),
        second=_column(each[1] if len(each) > 1 else None for each in told),
        found=_column(map(_found, told, escalated, settled, wanting, true)),
        answered=np.array(people, dtype=np.int64) > 0,
        contested=np.array([tier is not None for tier in escalated], dtype=np.bool_),
        waiting=np.array(wanting, dtype=np.bool_),
        weeks=_column(_week(since.get(task_id)) for task_id in ids),
        slices={field: _column(_text(data.get(field)) for data in columns[13]) for field in fields},
    )


def count_accepts(session: Session, project_id: int) -> int:
    """The tasks whose label is accepted now, audited ones too: what audits were drawn from."""
    return (
        session.scalar(
            select(func.count())
            .select_from(DecisionRow)
            .join(TaskRow, is_current())
            .where(
                DecisionRow.project_id == project_id,
                DecisionRow.outcome == Outcome.ACCEPT.value,
                TaskRow.deleted_at.is_(None),
            )
        )
        or 0
    )


def _audits_of(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        DecisionRow.project_id == project_id,
        DecisionRow.purpose == Purpose.AUDIT.value,
        DecisionRow.outcome == Outcome.ACCEPT.value,
        TaskRow.deleted_at.is_(None),
    )


def _said(
    session: Session, project_id: int, auditors: Collection[int]
) -> tuple[dict[int, tuple[str, ...]], dict[int, datetime]]:
    """What these people said of audited tasks, one label each, oldest first; and when it began."""
    rows = session.execute(
        select(
            AnnotationRow.task_id,
            AnnotationRow.user_id,
            AnnotationRow.label,
            AnnotationRow.created_at,
        )
        .join(
            TaskRow,
            (TaskRow.project_id == AnnotationRow.project_id)
            & (TaskRow.task_id == AnnotationRow.task_id),
        )
        .join(DecisionRow, is_current())
        .where(
            *_audits_of(project_id),
            AnnotationRow.label.is_not(None),
            AnnotationRow.user_id.in_(sorted(auditors)),
            *human(),
        )
        .order_by(AnnotationRow.created_at, AnnotationRow.annotation_id)
    )
    found: dict[int, dict[int, str]] = {}
    since: dict[int, datetime] = {}
    for task_id, user_id, label, at in rows:
        if label is not None:  # a person's newest word, where the first one stood
            found.setdefault(task_id, {})[user_id] = label
            since.setdefault(task_id, at)
    return {task_id: tuple(labels.values()) for task_id, labels in found.items()}, since


def _week(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02d}"


def _found(
    said: tuple[str, ...],
    escalated_to: str | None,
    settled: str | None,
    wants_reader: object,
    true: str | None,
) -> str | None:
    """What the answers come to; see ``backend.store.escalations.final_labels``."""
    if not said:
        return None
    if true is not None:
        return true
    if escalated_to is not None or (wants_reader and settled is None):
        return None
    return settled or max(said, key=said.count)  # of equally frequent ones the first


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _column(values: Iterable[object]) -> ObjectArray:
    listed = list(values)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column
