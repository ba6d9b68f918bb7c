"""The ledger of decisions: appended, chained by hash, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
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
_ROWS_PER_READ = 5_000
_LATER_COLUMNS = ("predictor", "signals", "part_scores")
_HASHES = ("hash", "erasure_hash")
_ANSWERS = ("label", "part_scores", "signals")  # what an erasure takes out of an entry


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """Whether a project's chain holds; ``broken_seq`` is the first entry that does not.

    ``erased`` entries keep their place and their hash, but not the answer that it covers.
    """

    project_id: int
    entries: int
    head: str
    broken_seq: int | None
    why: str | None
    erased: int = 0


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


def _recomputed(row: dict[str, Any], previous: str) -> str:
    """The hash that the entry should have, by what is stored now.

    What an erased answer was cannot be told from its hash, so there the seal is recomputed, and
    the hash is taken as it is where the seal holds. A seal needs no secret: one on an entry that
    has its answer still is none.
    """
    if row["erasure_hash"] is None:
        return entry_hash(row, previous)
    seal = erasure_hash(row, previous)
    is_empty = all(row[name] is None for name in _ANSWERS)
    return str(row["hash"]) if is_empty and seal == row["erasure_hash"] else seal


def _first_unfounded(session: Session, project_id: int, first: int, last: int | None) -> int | None:
    """The first of these entries that is sealed though nothing was erased of its task."""
    chosen = [DecisionRow.project_id == project_id, DecisionRow.seq >= first]
    if last is not None:
        chosen.append(DecisionRow.seq <= last)
    of_task = (TaskRow.project_id == project_id) & (TaskRow.task_id == DecisionRow.task_id)
    return session.scalar(
        select(func.min(DecisionRow.seq))
        .select_from(DecisionRow)
        .outerjoin(TaskRow, of_task)
        .where(*chosen, DecisionRow.erasure_hash.is_not(None), TaskRow.erased_at.is_(None))
    )


def erase_answers(session: Session, project_id: int, task_ids: Sequence[int]) -> int:
    """Take the answers out of these tasks' entries, which keep place and hash; how many."""
    rows = session.scalars(
        select(DecisionRow).where(
            DecisionRow.project_id == project_id,
            DecisionRow.task_id.in_(task_ids),
            DecisionRow.erasure_hash.is_(None),
        )
    ).all()
    before = _hashes(session, project_id, [row.seq - 1 for row in rows])
    for row in rows:
        for name in _ANSWERS:
            setattr(row, name, None)
        left = {column.key: getattr(row, column.key) for column in DecisionRow.__table__.columns}
        row.erasure_hash = erasure_hash(left, before.get(row.seq - 1, GENESIS))
    session.flush()
    return len(rows)


def _hashes(session: Session, project_id: int, seqs: Sequence[int]) -> dict[int, str]:
    """The hashes of these entries by number."""
    found: dict[int, str] = {}
    for start in range(0, len(seqs), _ROWS_PER_READ):
        chosen = select(DecisionRow.seq, DecisionRow.hash).where(
            DecisionRow.project_id == project_id,
            DecisionRow.seq.in_(seqs[start : start + _ROWS_PER_READ]),
        )
        found.update(dict(session.execute(chosen).all()))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCheck:
    """One entry recomputed: whether its content gives its hash, and the next one builds on it.

    ``next_holds`` is None for the last entry. ``previous`` is None where the entry before is
    missing: then nothing can be recomputed.
    """

    previous: str | None
    recomputed: str | None
    holds: bool
    next_holds: bool | None


def check_entry(session: Session, project_id: int, seq: int) -> EntryCheck:
    """Recompute the hash of one entry, and of the one after it, from what is stored now.

    The whole chain is recomputed by ``verify_ledger``: an entry that was changed together with all
    after it holds here, and there too, and differs from a head hash that somebody kept.
    """
    rows = {
        row["seq"]: dict(row)
        for row in session.execute(
            select(*DecisionRow.__table__.columns).where(
                DecisionRow.project_id == project_id, DecisionRow.seq.between(seq - 1, seq + 1)
            )
        ).mappings()
    }
    entry, later = rows[seq], rows.get(seq + 1)
    before = rows.get(seq - 1)
    previous = GENESIS if seq == 1 else None if before is None else str(before["hash"])
    recomputed = None if previous is None else _recomputed(entry, previous)
    next_holds = later is not None and _recomputed(later, entry["hash"]) == later["hash"]
    unfounded = [_first_unfounded(session, project_id, each, each) for each in (seq, seq + 1)]
    return EntryCheck(
        previous=previous,
        recomputed=recomputed,
        holds=recomputed == entry["hash"] and seq not in unfounded,
        next_holds=None if later is None else next_holds and seq + 1 not in unfounded,
    )


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


def verify_ledger(session: Session, project_id: int) -> LedgerCheck:
    """Recompute the whole chain; names the first entry that was changed, removed or slipped in."""
    return _followed(session, project_id, GENESIS, 1)


def _followed(session: Session, project_id: int, previous: str, expected: int) -> LedgerCheck:
    """Recompute the chain from this entry on; ``previous`` is the hash before it."""
    erased = 0
    unfounded = _first_unfounded(session, project_id, expected, None)
    for row in _rows(session, project_id, expected):
        seq = row["seq"]
        why = None
        if seq != expected:
            why = f"entry {expected} is missing"
        elif _recomputed(row, previous) != row["hash"]:
            why = "its content does not match its hash: it, or the one before, was changed"
        elif seq == unfounded:
            why = "it is sealed as erased, and nothing was erased of its task"
        if why is not None:
            return _broken(project_id, expected, previous, why)
        previous, expected = row["hash"], expected + 1
        erased += row["erasure_hash"] is not None
    newest = session.scalar(
        select(func.max(TaskRow.decision_seq)).where(TaskRow.project_id == project_id)
    )
    if newest is not None and newest >= expected:
        why = f"the end is missing: a task refers to entry {newest}"
        return _broken(project_id, expected, previous, why)
    return LedgerCheck(
        project_id=project_id,
        entries=expected - 1,
        head=previous,
        broken_seq=None,
        why=None,
        erased=erased,
    )


def verify_end(session: Session, project_id: int, entries: int) -> LedgerCheck:
    """The same for the last ``entries`` of the chain alone, which is quick however long it is."""
    newest = newest_seq(session, project_id)
    after = max(0, newest - entries)
    before = session.scalar(
        select(DecisionRow.hash).where(
            DecisionRow.project_id == project_id, DecisionRow.seq == after
        )
    )
    if after and before is None:
        return _broken(project_id, after, GENESIS, f"entry {after} is missing")
    return _followed(session, project_id, before or GENESIS, after + 1)


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


def _broken(project_id: int, seq: int, head: str, why: str) -> LedgerCheck:
    return LedgerCheck(project_id=project_id, entries=seq - 1, head=head, broken_seq=seq, why=why)


def _rows(session: Session, project_id: int, first: int) -> Iterator[dict[str, Any]]:
    columns = list(DecisionRow.__table__.columns)
    result = session.execute(
        select(*columns)
        .where(DecisionRow.project_id == project_id, DecisionRow.seq >= first)
        .order_by(DecisionRow.seq)
        .execution_options(yield_per=_ROWS_PER_READ)
    )
    with result:  # who follows the chain stops where it breaks
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
