"""The ledger of decisions: appended, chained by hash, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from backend.store.columns import storable
from backend.store.tables import DecisionRow, ProjectRow, TaskRow
from policies.domain import Decision, Outcome, Purpose

GENESIS = "0" * 64
ANSWERS = ("label", "part_scores", "signals")  # what an erasure takes out of an entry
_LATER_COLUMNS = ("predictor", "signals", "part_scores")
_HASHES = ("hash", "erasure_hash")


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
    erased: bool = False


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
            "decided_at": now.astimezone(UTC),
        }
        # As it is read back: the hash covers it.
        row = {name: storable(v) if isinstance(v, str) else v for name, v in row.items()}
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
        {key: value for key, value in row.items() if _is_covered(key, value)},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z,
    )
    return hashlib.sha256(previous.encode() + body).hexdigest()


def _is_covered(name: str, value: object) -> bool:
    """Columns that came with a later schema are covered where they hold something."""
    return name not in _HASHES and (bool(value) or name not in _LATER_COLUMNS)


def erasure_hash(row: dict[str, Any], previous: str) -> str:
    """What seals an entry whose answer was erased: its own hash, and what is left of it."""
    return entry_hash(row, previous + row["hash"])


def entry_named(session: Session, project_id: int, seq: int) -> LedgerEntry | None:
    """The entry of this number; None where the ledger has none."""
    row = session.get(DecisionRow, (project_id, seq))
    return None if row is None else entry_of(row)


def entries_of_task(
    session: Session, project_id: int, task_id: int, limit: int
) -> list[LedgerEntry]:
    """The newest decisions of a task, oldest of them first."""
    rows = session.scalars(
        select(DecisionRow)
        .where(DecisionRow.project_id == project_id, DecisionRow.task_id == task_id)
        # Added to 0, so that SQLite sorts the task's few and does not walk the ledger backwards.
        .order_by((DecisionRow.seq + 0).desc())
        .limit(limit)
    )
    return [entry_of(row) for row in rows][::-1]


def ledger_heads(session: Session) -> list[tuple[int, int, str]]:
    """The last entry of each project's ledger: project, number, hash."""
    newest = (
        select(DecisionRow.project_id, func.max(DecisionRow.seq).label("seq"))
        .group_by(DecisionRow.project_id)
        .subquery()
    )
    rows = session.execute(
        select(DecisionRow.project_id, DecisionRow.seq, DecisionRow.hash)
        .join(
            newest,
            (newest.c.project_id == DecisionRow.project_id) & (newest.c.seq == DecisionRow.seq),
        )
        .order_by(DecisionRow.project_id)
    )
    return [(row.project_id, row.seq, row.hash) for row in rows]


def newest_seq(session: Session, project_id: int) -> int:
    """The number of the ledger's last entry, 0 where it is empty."""
    return (
        session.scalar(
            select(func.max(DecisionRow.seq)).where(DecisionRow.project_id == project_id)
        )
        or 0
    )


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
            part_scores=tuple(row.part_scores or ()),
        ),
        grounds=Grounds(
            model_version=row.model_version,
            policy_hash=row.policy_hash,
            certificate_id=row.certificate_id,
        ),
        decided_at=row.decided_at,
        hash=row.hash,
        erased=row.erasure_hash is not None,
    )
