"""Whether the chain of a ledger holds: recomputed whole, at its end, or around one entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.ledger import ANSWERS, GENESIS, entry_hash, erasure_hash, newest_seq
from backend.store.tables import DecisionRow, TaskRow

_ROWS_PER_READ = 5_000


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


def verify_ledger(session: Session, project_id: int) -> LedgerCheck:
    """Recompute the whole chain; names the first entry that was changed, removed or slipped in."""
    return _followed(session, project_id, GENESIS, 1)


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


def _recomputed(row: dict[str, Any], previous: str) -> str:
    """The hash that the entry should have, by what is stored now.

    What an erased answer was cannot be told from its hash, so there the seal is recomputed, and
    the hash is taken as it is where the seal holds. A seal needs no secret: one on an entry that
    has its answer still is none.
    """
    if row["erasure_hash"] is None:
        return entry_hash(row, previous)
    seal = erasure_hash(row, previous)
    is_empty = all(row[name] is None for name in ANSWERS)
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
