"""Accepts that stand, since when they do, and taking them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session

from backend.store.decisions import is_current, kept_for_people
from backend.store.ledger import Grounds, LedgerEntry, append_decisions, entry_of
from backend.store.promise_tables import FreezeRow
from backend.store.reports import RECALL, Report, reports, store_report
from backend.store.tables import DecisionRow, ProjectRow, TaskRow
from policies.breaker import RECALL as RECALL_RULE
from policies.domain import Decision, Outcome, Purpose

_IDS_PER_STATEMENT = 5_000
BEGUN, DONE = "begun", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """An accept that stands; ``freeze`` is the number of the freeze that made it final."""

    seq: int
    task_id: int
    label: str | None
    predictor: str | None
    model_version: str | None
    freeze: int | None


def lock_project(session: Session, project_id: int) -> None:
    """Let nobody else append to this project's ledger until the transaction is over."""
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update())


def standing_accepts(
    session: Session, project_id: int, *, decided_after: datetime | None = None
) -> list[Accept]:
    """Accepts that no person has labelled, delivered or under way, frozen ones too, by task.

    Drawn audits are none: they wait for a person already. Those of one version are not asked for
    here: led by the index of versions, SQLite looks through all tasks for each decision.
    """
    query = (
        select(
            DecisionRow.seq,
            TaskRow.task_id,
            DecisionRow.label,
            DecisionRow.predictor,
            DecisionRow.model_version,
            FreezeRow.number,
        )
        .join(TaskRow, is_current())
        .outerjoin(FreezeRow, FreezeRow.id == TaskRow.freeze_id)
        .where(
            TaskRow.project_id == project_id,
            TaskRow.deleted_at.is_(None),
            TaskRow.human_labels == 0,
            DecisionRow.outcome == Outcome.ACCEPT.value,
            DecisionRow.purpose == Purpose.ROUTED.value,
        )
        .order_by(TaskRow.task_id)
    )
    if decided_after is not None:
        query = query.where(DecisionRow.decided_at > decided_after)
    return [
        Accept(
            seq=seq,
            task_id=task_id,
            label=label,
            predictor=predictor,
            model_version=version,
            freeze=freeze,
        )
        for seq, task_id, label, predictor, version, freeze in session.execute(query)
    ]


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
        rows = session.execute(_starts(project_id, task_ids[start : start + _IDS_PER_STATEMENT]))
        # Oldest first: a task's newest run is its last.
        began |= {row.task_id: row.decided_at for row in rows}
    return began


def _starts(project_id: int, task_ids: Sequence[int]) -> Select[tuple[int, datetime]]:
    """The accepts that a run begins with, each task's oldest first."""

    def changed(column: Any) -> ColumnElement[bool]:
        before = func.lag(column).over(partition_by=DecisionRow.task_id, order_by=DecisionRow.seq)
        differs: ColumnElement[bool] = column.is_distinct_from(before)
        return differs

    decided = (
        select(
            DecisionRow.task_id,
            DecisionRow.seq,
            DecisionRow.outcome,
            DecisionRow.decided_at,
            or_(
                changed(DecisionRow.outcome),
                changed(DecisionRow.label),
                changed(DecisionRow.model_version),
            ).label("changes"),
        )
        .where(DecisionRow.project_id == project_id, DecisionRow.task_id.in_(task_ids))
        .subquery()
    )
    return (
        select(decided.c.task_id, decided.c.decided_at)
        .where(decided.c.outcome == Outcome.ACCEPT.value, decided.c.changes)
        .order_by(decided.c.task_id, decided.c.seq)
    )


def entries_of(session: Session, project_id: int, seqs: Sequence[int]) -> list[LedgerEntry]:
    """The entries of the ledger with these numbers, in this order."""
    rows = session.execute(
        select(*DecisionRow.__table__.columns).where(
            DecisionRow.project_id == project_id, DecisionRow.seq.in_(seqs)
        )
    )
    # Columns under the names of the row's attributes, which is all that is looked at.
    found = {row.seq: entry_of(cast("DecisionRow", row)) for row in rows}
    return [found[seq] for seq in seqs]


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
    there = _unchanged(session, project_id, taken)
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
                TaskRow.freeze_id.is_not(None),
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


def _unchanged(
    session: Session, project_id: int, taken: Sequence[tuple[LedgerEntry, Decision]]
) -> set[int]:
    """The numbers of the entries that still hold for a task that nobody has labelled."""
    ids = [entry.decision.task_id for entry, _ in taken]
    found: set[int] = set()
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        # By task alone: joined to the ledger, SQLite looks through all tasks for each entry.
        rows = session.scalars(
            select(TaskRow.decision_seq).where(
                TaskRow.project_id == project_id,
                TaskRow.task_id.in_(ids[start : start + _IDS_PER_STATEMENT]),
                TaskRow.decision_seq.is_not(None),
                TaskRow.deleted_at.is_(None),
                TaskRow.human_labels == 0,
            )
        )
        found.update(seq for seq in rows if seq is not None)
    return found
