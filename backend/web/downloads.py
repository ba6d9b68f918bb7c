"""Decisions as a file, row by row as they are read: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy.orm import Session

from backend.spreadsheets import csv_line
from backend.store.decision_conditions import Asked, Order, Place
from backend.store.decision_search import TimeBox, search
from backend.store.ledger import LedgerEntry
from backend.store.task_stories import answers_to

MOST_ROWS = 10_000
TOO_MANY = (
    f"More than {MOST_ROWS:,} decisions match; these are the first of them. Narrow the search for "
    "the others."
)
_ROWS_PER_READ = 500
_END = "\r\n"
COLUMNS = (
    "seq",
    "decided_at",
    "task",
    "outcome",
    "purpose",
    "tier",
    "rule",
    "label",
    "score",
    "threshold",
    "reason",
    "draw",
    "inclusion_probability",
    "predictor",
    "model_version",
    "policy_hash",
    "certificate",
    "people_said",
    "hash",
)


def as_csv(session: Session, project_id: int, asked: Asked) -> Iterator[bytes]:
    """A header and a line a decision; the last line says so where there are more."""
    yield csv_line(COLUMNS, _END).encode()
    for row in _rows(session, project_id, asked):
        values = [TOO_MANY] if row is None else [row[name] for name in COLUMNS]
        yield csv_line(values, _END).encode()


def as_json(session: Session, project_id: int, asked: Asked) -> Iterator[bytes]:
    """``{"decisions": [...], "note": null}``; the note says where there are more."""
    yield b'{"decisions":['
    note, comma = None, b""
    for row in _rows(session, project_id, asked):
        if row is None:
            note = TOO_MANY
        else:
            yield comma + orjson.dumps(row)
            comma = b",\n"
    yield b'],"note":' + orjson.dumps(note) + b"}\n"


def _rows(session: Session, project_id: int, asked: Asked) -> Iterator[dict[str, Any] | None]:
    """At most ``MOST_ROWS`` from the first page on, then None where more would follow."""
    asked = replace(asked, after=None, before=None, limit=_ROWS_PER_READ)
    given = 0
    while True:
        found = search(session, project_id, asked, TimeBox(seconds=None))
        said = answers_to(session, project_id, [each.decision.task_id for each in found.entries])
        for entry in found.entries:
            if given == MOST_ROWS:
                yield None
                return
            given += 1
            answers = said.get(entry.decision.task_id, ())
            yield row_of(entry, [each.label for each in answers if each.label is not None])
        if not found.more:
            return
        last = found.entries[-1]
        score = last.decision.score if asked.order is Order.SCORE else None
        asked = replace(asked, after=Place(seq=last.seq, score=score))


def row_of(entry: LedgerEntry, people: list[str]) -> dict[str, Any]:
    """A decision under the names of ``COLUMNS``."""
    decision, grounds = entry.decision, entry.grounds
    return {
        "seq": entry.seq,
        "decided_at": entry.decided_at.isoformat(),
        "task": decision.task_id,
        "outcome": decision.outcome.value,
        "purpose": decision.purpose.value,
        "tier": decision.tier,
        "rule": decision.rule,
        "label": decision.label,
        "score": decision.score,
        "threshold": decision.threshold,
        "reason": decision.reason,
        "draw": decision.draw,
        "inclusion_probability": decision.inclusion_probability,
        "predictor": decision.predictor,
        "model_version": grounds.model_version,
        "policy_hash": grounds.policy_hash,
        "certificate": grounds.certificate_id,
        "people_said": people,
        "hash": entry.hash,
    }
