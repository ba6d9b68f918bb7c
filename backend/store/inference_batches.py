"""Batches of inferences by the key that their sender gave: sent again, answered the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.store.tables import InferenceBatchRow


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
    old = session.execute(
        select(InferenceBatchRow.project_id, InferenceBatchRow.key)
        .where(InferenceBatchRow.received_at < before)
        .order_by(InferenceBatchRow.received_at)
        .limit(most)
    ).all()
    for project_id, key in old:
        session.execute(
            delete(InferenceBatchRow).where(
                InferenceBatchRow.project_id == project_id, InferenceBatchRow.key == key
            )
        )
    return len(old)
