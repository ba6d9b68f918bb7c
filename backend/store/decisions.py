"""The ledger of decisions: appended, chained by hash, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from backend.store.tables import AnnotationRow, DecisionRow, ProjectRow, TaskRow
from backend.store.tasks import standing
from policies.adjudication import ESCALATION
from policies.domain import Decision, Outcome, Purpose

GENESIS = "0" * 64
_ROWS_PER_READ = 5_000
_LATER_COLUMNS = ("predictor", "signals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a batch of decisions rests on; every entry of the ledger names it."""

    model_version: str | None
    policy_hash: str
    certificate_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A decision as the ledger holds it."""

    seq: int
    decision: Decision
    grounds: Grounds
    decided_at: datetime
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """Whether a project's chain holds; ``broken_seq`` is the first entry that does not."""

    project_id: int
    entries: int
    head: str
    broken_seq: int | None
    why: str | None


def append_decisions(
    session: Session,
    project_id: int,
    decisions: Sequence[Decision],
    grounds: Grounds,
    now: datetime,
) -> int:
    """Append decisions in this order and make each its task's current one; the first seq."""
    # One writer a chain: SQLite's session holds the write lock already, PostgreSQL takes the row.
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update())
    last = session.execute(
        select(DecisionRow.seq, DecisionRow.hash)
        .where(DecisionRow.project_id == project_id)
        .order_by(DecisionRow.seq.desc())
        .limit(1)
    ).first()
    seq, previous = (last.seq, last.hash) if last else (0, GENESIS)
    first = seq + 1
    rows = []
    for decision in decisions:
        seq += 1
        row = {
            "project_id": project_id,
            "seq": seq,
            **decision.as_json(),
            "model_version": grounds.model_version,
            "policy_hash": grounds.policy_hash,
            "certificate_id": grounds.certificate_id,
            "decided_at": now.astimezone(UTC),  # as it is read back: the hash covers it
        }
        previous = entry_hash(row, previous)
        rows.append({**row, "hash": previous})
    if rows:
        session.execute(insert(DecisionRow), rows)
        session.execute(
            update(TaskRow),
            [
                {"project_id": project_id, "task_id": r["task_id"], "decision_seq": r["seq"]}
                for r in rows
            ],
        )
    return first


def entry_hash(row: dict[str, Any], previous: str) -> str:
    """SHA-256 over the hash before it and the entry as canonical JSON (sorted keys, UTC)."""
    body = orjson.dumps(
        {key: value for key, value in row.items() if key != "hash" and _is_covered(key, value)},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z,
    )
    return hashlib.sha256(previous.encode() + body).hexdigest()


def _is_covered(name: str, value: object) -> bool:
    """Columns that came with a later schema are covered where they hold something."""
    return bool(value) or name not in _LATER_COLUMNS


def verify_ledger(session: Session, project_id: int) -> LedgerCheck:
    """Recompute the whole chain; names the first entry that was changed, removed or slipped in."""
    previous, expected = GENESIS, 1
    for row in _rows(session, project_id):
        seq = row["seq"]
        why = None
        if seq != expected:
            why = f"entry {expected} is missing"
        elif entry_hash(row, previous) != row["hash"]:
            why = "its content does not match its hash: it, or the one before, was changed"
        if why is not None:
            return LedgerCheck(
                project_id=project_id,
                entries=expected - 1,
                head=previous,
                broken_seq=expected,
                why=why,
            )
        previous, expected = row["hash"], expected + 1
    newest = session.scalar(
        select(func.max(TaskRow.decision_seq)).where(TaskRow.project_id == project_id)
    )
    if newest is not None and newest >= expected:
        return LedgerCheck(
            project_id=project_id,
            entries=expected - 1,
            head=previous,
            broken_seq=expected,
            why=f"the end is missing: a task refers to entry {newest}",
        )
    return LedgerCheck(
        project_id=project_id, entries=expected - 1, head=previous, broken_seq=None, why=None
    )


def is_current() -> ColumnElement[bool]:
    """Joins a task with the decision that holds for it now."""
    return and_(
        TaskRow.project_id == DecisionRow.project_id, TaskRow.decision_seq == DecisionRow.seq
    )


def undecided_task_ids(
    session: Session, project_id: int, grounds: Grounds, labels: Sequence[str]
) -> list[int]:
    """Unlabelled tasks whose current decision does not rest on these grounds, ascending.

    Nor does one whose label is no longer among the ``labels`` that the labelling config offers,
    nor an escalation that nobody's word stands behind any more. What waits for a more expert tier
    stays as it is, and what is frozen stays for good.
    """
    rows = session.scalars(
        select(TaskRow.task_id)
        .outerjoin(DecisionRow, is_current())
        .where(
            TaskRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            TaskRow.escalated_to.is_(None),
            TaskRow.freeze_id.is_(None),
            or_(
                TaskRow.decision_seq.is_(None),
                DecisionRow.rule == ESCALATION,
                DecisionRow.policy_hash != grounds.policy_hash,
                DecisionRow.model_version.is_distinct_from(grounds.model_version),
                DecisionRow.certificate_id.is_distinct_from(grounds.certificate_id),
                DecisionRow.label.not_in(labels),
            ),
        )
        .order_by(TaskRow.task_id)
    )
    return list(rows)


def current_decisions(
    session: Session,
    project_id: int,
    *,
    labelled: bool | None = None,
    purpose: Purpose | None = None,
) -> Iterator[LedgerEntry]:
    """Every task's current decision, by task; only (un)labelled tasks or one purpose if asked."""
    query = (
        select(DecisionRow)
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        .order_by(DecisionRow.task_id)
    )
    if labelled is not None:
        query = query.where(TaskRow.human_labels > 0 if labelled else TaskRow.human_labels == 0)
    if purpose is not None:
        query = query.where(DecisionRow.purpose == purpose.value)
    for row in session.scalars(query.execution_options(yield_per=_ROWS_PER_READ)):
        yield entry_of(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDecision:
    """What placing a task needs to know of its current decision.

    ``escalated`` says that it waits for the tier's word on other people's, ``wants_reader`` that it
    waits for one more answer of the same tier; ``people`` is how many answered it so far, those
    whose answers do not count too.
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


def open_decisions(session: Session, project_id: int) -> list[OpenDecision]:
    """The current decisions of all tasks that wait for a person, or for nobody at all, by task.

    Those that nobody has labelled whose answers count, the contested ones that a more expert tier
    has to settle, and those that wait for one more reader. What is frozen is not open.
    """
    rows = session.execute(
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
            TaskRow.escalated_to,
            TaskRow.wants_reader,
        )
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None), is_open())
        .order_by(DecisionRow.task_id)
    )
    people = _people(session, project_id)
    return [
        OpenDecision(
            seq=row.seq,
            task_id=row.task_id,
            outcome=Outcome(row.outcome),
            purpose=Purpose(row.purpose),
            tier=row.tier,
            label=row.label,
            score=row.score,
            draw=row.draw,
            model_version=row.model_version,
            signals=row.signals or {},
            escalated=row.escalated_to is not None,
            people=people.get(row.task_id, 0),
            wants_reader=row.wants_reader,
        )
        for row in rows
    ]


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


def newest_seq(session: Session, project_id: int) -> int:
    """The number of the ledger's last entry, 0 where it is empty."""
    return (
        session.scalar(
            select(func.max(DecisionRow.seq)).where(DecisionRow.project_id == project_id)
        )
        or 0
    )


def _rows(session: Session, project_id: int) -> Iterator[dict[str, Any]]:
    columns = list(DecisionRow.__table__.columns)
    result = session.execute(
        select(*columns)
        .where(DecisionRow.project_id == project_id)
        .order_by(DecisionRow.seq)
        .execution_options(yield_per=_ROWS_PER_READ)
    )
    for row in result.mappings():
        yield dict(row)


def entry_of(row: DecisionRow) -> LedgerEntry:
    """A row of the ledger as the rest of the system sees it."""
    return LedgerEntry(
        seq=row.seq,
        decision=Decision(
            task_id=row.task_id,
            outcome=Outcome(row.outcome),
            purpose=Purpose(row.purpose),
            tier=row.tier,
            rule=row.rule,
            reason=row.reason,
            label=row.label,
            score=row.score,
            threshold=row.threshold,
            draw=row.draw,
            inclusion_probability=row.inclusion_probability,
            predictor=row.predictor,
            signals=row.signals or {},
        ),
        grounds=Grounds(
            model_version=row.model_version,
            policy_hash=row.policy_hash,
            certificate_id=row.certificate_id,
        ),
        decided_at=row.decided_at,
        hash=row.hash,
    )
