"""Batches of inferences by the key that their sender gave: sent again, answered the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceBatchRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBatch:
    """A batch that was taken in: the SHA-256 of its body, and what its sender was told."""

    sha256: str
    answer: dict[str, Any]


def known_batch(session: Session, project_id: int, key: str) -> KnownBatch | None:
    """What came under this key; None where nothing did."""
    row = session.get(InferenceBatchRow, (project_id, key))
    return None if row is None else KnownBatch(sha256=row.sha256, answer=row.answer)


def store_batch(
    session: Session, project_id: int, key: str, batch: KnownBatch, now: datetime
) -> None:
    """Keep what a batch was answered, in the transaction that takes it in."""
    row = InferenceBatchRow(
        project_id=project_id, key=key, sha256=batch.sha256, answer=batch.answer, received_at=now
    )
    session.add(row)


def forget_batches(session: Session, before: datetime, most: int) -> int:
    """Delete up to so many of the keys that came before; how many there were."""
    table: Any = InferenceBatchRow.__table__
    old = session.execute(
        select(table.c.project_id.label("of_project"), table.c.key.label("under_key"))
        .where(table.c.received_at < before)
        .order_by(table.c.received_at)
        .limit(most)
    ).mappings()
    keys = [dict(each) for each in old]
    if keys:  # one small statement for all: see ``backend.store.upsert``
        one = delete(table).where(
            table.c.project_id == bindparam("of_project"), table.c.key == bindparam("under_key")
        )
        session.execute(one, keys)
    return len(keys)
