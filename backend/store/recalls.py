"""Accepts that stand, since when they do, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.decisions import is_current, kept_for_people
from backend.store.ledger import Grounds, LedgerEntry, append_decisions, entry_of
from backend.store.reports import RECALL, Report, reports, store_report
from backend.store.tables import DecisionRow, FreezeRow, ProjectRow, TaskRow
from policies.breaker import RECALL as RECALL_RULE
from policies.domain import Decision, Outcome, Purpose

_IDS_PER_STATEMENT = 5_000
BEGUN, DONE = "begun", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """An accept that stands; ``freeze`` is the number of the freeze that made it final."""

    entry: LedgerEntry
    freeze: int | None


def lock_project(session: Session, project_id: int) -> None:
    """Let nobody else append to this project's ledger until the transaction is over."""
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update())


def standing_accepts(
    session: Session,
    project_id: int,
    *,
    model_version: str | None = None,
    decided_after: datetime | None = None,
) -> list[Accept]:
    """Accepts that no person has labelled, delivered or under way, frozen ones too, by task.

    Drawn audits are none: they wait for a person already.
    """
    query = (
        select(DecisionRow, FreezeRow.number)
        .join(TaskRow, is_current())
        .outerjoin(FreezeRow, FreezeRow.id == TaskRow.freeze_id)
        .where(DecisionRow.project_id == project_id, *_stands())
        .order_by(DecisionRow.task_id)
    )
    if model_version is not None:
        query = query.where(DecisionRow.model_version == model_version)
    if decided_after is not None:
        query = query.where(DecisionRow.decided_at > decided_after)
    return [Accept(entry=entry_of(row), freeze=number) for row, number in session.execute(query)]


def accepted_since(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> dict[int, datetime]:
    """Since when each task's label has been accepted: when its newest run of accepts began.

    A version decides a task anew whenever a threshold moves or the policy changes. As long as it
    accepts the same label each time, that label was accepted when the run began; a review, another
    label or another version between two accepts ends a run. A drawn audit is an accept.
    """
    began: dict[int, datetime] = {}
    for start in range(0, len(task_ids), _IDS_PER_STATEMENT):
        rows = session.execute(
            select(
                DecisionRow.task_id,
                DecisionRow.outcome,
                DecisionRow.label,
                DecisionRow.model_version,
                DecisionRow.decided_at,
            )
            .where(
                DecisionRow.project_id == project_id,
                DecisionRow.task_id.in_(task_ids[start : start + _IDS_PER_STATEMENT]),
            )
            .order_by(DecisionRow.task_id, DecisionRow.seq)
        )
        before: tuple[Any, ...] | None = None
        for task_id, outcome, label, version, decided_at in rows:
            accepts = outcome == Outcome.ACCEPT.value
            this = (task_id, label, version) if accepts else None
            if this is not None and this != before:
                began[task_id] = decided_at
            before = this
    return began


def take_back(
    session: Session,
    project_id: int,
    taken: Sequence[tuple[LedgerEntry, Decision]],
    policy_hash: str,
    now: datetime,
) -> int:
    """Append the decisions that take these accepts back, in this order; how many.

    One that a person labelled, or that was decided anew since it was read, is left alone; so two
    recalls at once take nothing back twice. A freeze lets go of what it had taken along.
    """
    lock_project(session, project_id)
    there = _unchanged(session, project_id, [entry.seq for entry, _ in taken])
    left = [(entry, decision) for entry, decision in taken if entry.seq in there]

    def grounds(pair: tuple[LedgerEntry, Decision]) -> tuple[str | None, int | None]:
        return pair[0].grounds.model_version, pair[0].grounds.certificate_id

    for (version, certificate_id), pairs in groupby(left, grounds):
        append_decisions(
            session,
            project_id,
            [decision for _, decision in pairs],
            Grounds(model_version=version, policy_hash=policy_hash, certificate_id=certificate_id),
            now,
        )
    ids = [decision.task_id for _, decision in left]
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        session.execute(
            update(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
            )
            .values(freeze_id=None)
            .execution_options(synchronize_session=False)
        )
    return len(left)


def data_of(
    session: Session, project_id: int, task_ids: Sequence[int]
) -> Mapping[int, dict[str, Any]]:
    """What stands in the data of these tasks."""
    rows = session.execute(
        select(TaskRow.task_id, TaskRow.data).where(
            TaskRow.project_id == project_id, TaskRow.task_id.in_(task_ids)
        )
    )
    return dict(rows.all())


def waiting_recalls(session: Session, project_id: int, policy_hash: str) -> list[LedgerEntry]:
    """Recalled tasks without an answer whose tier is one of an earlier policy, oldest first.

    Those that a version promoted since then decides anew are none of them.
    """
    rows = session.scalars(
        select(DecisionRow)
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.policy_hash != policy_hash,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            kept_for_people(project_id),
        )
        .order_by(DecisionRow.seq)
    )
    return [entry_of(row) for row in rows]


def open_recall(session: Session, project_id: int, reason: str) -> Report | None:
    """The recall of this reason that has begun and is not done; None where there is none."""
    same = [each for each in reports(session, project_id, RECALL) if each.body["reason"] == reason]
    return same[-1] if same and same[-1].body["state"] == BEGUN else None


def recalls_done(session: Session, project_id: int) -> set[int]:
    """The suspensions whose accepts were taken back, by id."""
    made = reports(session, project_id, RECALL)
    done = {each.body["suspension"] for each in made if each.body["state"] == DONE}
    return done - {None}


def store_recall(
    session: Session, project_id: int, body: dict[str, Any], version: str | None, now: datetime
) -> None:
    """Keep a report of a recall, begun or done."""
    report = Report(kind=RECALL, model_version=version, made_at=now, body=body)
    store_report(session, project_id, report)


def recalled_by_label(
    session: Session, project_id: int, reason: str, after_seq: int
) -> dict[str, int]:
    """How many tasks a recall has taken back so far, by the label that was accepted."""
    rows = session.execute(
        select(DecisionRow.label, func.count(DecisionRow.task_id.distinct()))
        .where(
            DecisionRow.project_id == project_id,
            DecisionRow.seq > after_seq,
            DecisionRow.rule == RECALL_RULE,
            DecisionRow.reason == reason,
        )
        .group_by(DecisionRow.label)
        .order_by(DecisionRow.label)
    )
    return {label: count for label, count in rows if label is not None}


def _stands() -> tuple[Any, ...]:
    return (
        DecisionRow.outcome == Outcome.ACCEPT.value,
        DecisionRow.purpose == Purpose.ROUTED.value,
        TaskRow.deleted_at.is_(None),
        TaskRow.human_labels == 0,
    )


def _unchanged(session: Session, project_id: int, seqs: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(seqs), _IDS_PER_STATEMENT):
        found.update(
            session.scalars(
                select(DecisionRow.seq)
                .join(TaskRow, is_current())
                .where(
                    DecisionRow.project_id == project_id,
                    DecisionRow.seq.in_(seqs[start : start + _IDS_PER_STATEMENT]),
                    TaskRow.deleted_at.is_(None),
                    TaskRow.human_labels == 0,
                )
            )
        )
    return found
