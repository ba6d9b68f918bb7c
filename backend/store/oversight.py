"""Who looked at what in a time: counts over the ledger and people's answers, made in SQL.

For reports: each reads the decisions of the time once, a second or two for a million of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from backend.store.promise_tables import CertificateRow
from backend.store.tables import AnnotationRow, DecisionRow, PolicyRow
from backend.store.votes import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseen:
    """Tasks whose last decision of the time said this; ``seen`` of them a person has labelled."""

    outcome: str
    purpose: str
    tasks: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The labels that one person gave in the time, of how many tasks, and the seconds it took.

    ``timed`` is how many of the labels have a time.
    """

    user_id: int
    labels: int
    tasks: int
    timed: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A policy that decided something in the time, and when it first and last did."""

    hash: str
    text: str
    decisions: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certification that was valid at some time: its evidence, and how it ended."""

    id: int
    model_version: str
    policy_hash: str
    evidence: list[dict[str, object]]
    certified_at: datetime
    voided_at: datetime | None
    void_reason: str | None
    withdrawn: bool


def overseen(session: Session, project_id: int, start: datetime, end: datetime) -> list[Overseen]:
    """What became of the tasks that were decided in the time, by each one's last decision of it."""
    last = (
        select(func.max(DecisionRow.seq).label("seq"))
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.decided_at >= start,
            DecisionRow.decided_at < end,
        )
        .group_by(DecisionRow.task_id)
        .subquery()
    )
    # One seek a task. As a join SQLite, which has no statistics here, reads all labels for each.
    labelled = (
        select(AnnotationRow.task_id)
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.task_id == DecisionRow.task_id,
            AnnotationRow.created_at < end,
            *standing(),
        )
        .correlate(DecisionRow)
        .exists()
    )
    rows = session.execute(
        select(
            DecisionRow.outcome,
            DecisionRow.purpose,
            func.count(),
            func.count(case((labelled, 1))),
        )
        .join(last, last.c.seq == DecisionRow.seq)
        .where(DecisionRow.project_id == project_id)
        .group_by(DecisionRow.outcome, DecisionRow.purpose)
        .order_by(DecisionRow.outcome, DecisionRow.purpose)
    )
    return [
        Overseen(outcome=outcome, purpose=purpose, tasks=tasks, seen=seen)
        for outcome, purpose, tasks, seen in rows
    ]


def given(session: Session, project_id: int, start: datetime, end: datetime) -> list[Given]:
    """The labels that people gave in the time and that still stand, by person."""
    rows = session.execute(
        select(
            AnnotationRow.user_id,
            func.count(),
            func.count(AnnotationRow.task_id.distinct()),
            func.count(AnnotationRow.lead_time_s),
            func.coalesce(func.sum(AnnotationRow.lead_time_s), 0.0),
        )
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.created_at >= start,
            AnnotationRow.created_at < end,
            *standing(),
        )
        .group_by(AnnotationRow.user_id)
        .order_by(AnnotationRow.user_id)
    )
    return [
        Given(user_id=user, labels=labels, tasks=tasks, timed=timed, seconds=seconds or 0.0)
        for user, labels, tasks, timed, seconds in rows
    ]


def policies_between(
    session: Session, project_id: int, start: datetime, end: datetime
) -> list[InForce]:
    """The policies that decided something in the time, in the order in which they first did."""
    rows = session.execute(
        select(
            DecisionRow.policy_hash,
            PolicyRow.text,
            func.count(),
            func.min(DecisionRow.decided_at),
            func.max(DecisionRow.decided_at),
        )
        .join(PolicyRow, PolicyRow.hash == DecisionRow.policy_hash)
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.decided_at >= start,
            DecisionRow.decided_at < end,
        )
        .group_by(DecisionRow.policy_hash, PolicyRow.text)
        .order_by(func.min(DecisionRow.seq))
    )
    return [
        InForce(hash=digest, text=text, decisions=decisions, first=first, last=last)
        for digest, text, decisions, first, last in rows
    ]


def certified_between(
    session: Session, project_id: int, start: datetime, end: datetime
) -> list[Certified]:
    """The certifications that were made, or still valid, in the time; oldest first."""
    rows = session.scalars(
        select(CertificateRow)
        .where(
            CertificateRow.project_id == project_id,
            CertificateRow.certified_at < end,
            CertificateRow.voided_at.is_(None) | (CertificateRow.voided_at >= start),
        )
        .order_by(CertificateRow.id)
    )
    return [
        Certified(
            id=row.id,
            model_version=row.model_version,
            policy_hash=row.policy_hash,
            evidence=row.evidence,
            certified_at=row.certified_at,
            voided_at=row.voided_at,
            void_reason=row.void_reason,
            withdrawn=row.withdrawn,
        )
        for row in rows
    ]


def entry_before(session: Session, project_id: int, end: datetime) -> tuple[int, str] | None:
    """Number and hash of the ledger's last entry before a time; None where there is none."""
    row = session.execute(
        select(DecisionRow.seq, DecisionRow.hash)
        .where(and_(DecisionRow.project_id == project_id, DecisionRow.decided_at < end))
        .order_by(DecisionRow.seq.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.seq, row.hash)
