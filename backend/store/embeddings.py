"""Vectors of texts, by encoder and text hash: read and written in bulk, forgotten when unused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from backend.store.model_tables import EmbeddingRow
from backend.store.upsert import upsert

_HASHES_PER_STATEMENT = 5_000
_ROWS_PER_DELETE = 5_000


def read_embeddings(session: Session, encoder: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Text hash -> vector, for those of the hashes that this encoder has encoded."""
    found: dict[bytes, bytes] = {}
    for some in _parts(hashes):
        rows = session.execute(
            select(EmbeddingRow.text_hash, EmbeddingRow.vector).where(
                EmbeddingRow.encoder == encoder, EmbeddingRow.text_hash.in_(some)
            )
        )
        found.update(dict(rows.all()))
    return found


def store_embeddings(
    session: Session, encoder: str, vectors: Mapping[bytes, bytes], now: datetime
) -> None:
    """Keep these vectors; one that is there already is written again."""
    rows = [
        {"encoder": encoder, "text_hash": text_hash, "vector": vector, "used_at": now}
        for text_hash, vector in sorted(vectors.items())  # two writers lock rows in one order
    ]
    upsert(session, EmbeddingRow, rows)


def unmarked_embeddings(
    session: Session, encoder: str, hashes: Sequence[bytes], since: datetime
) -> list[bytes]:
    """Those of the hashes whose last marked use lies before ``since``."""
    found: list[bytes] = []
    for some in _parts(hashes):
        found += session.scalars(
            select(EmbeddingRow.text_hash).where(
                EmbeddingRow.encoder == encoder,
                EmbeddingRow.text_hash.in_(some),
                EmbeddingRow.used_at < since,
            )
        )
    return found


def mark_embeddings_used(
    session: Session, encoder: str, hashes: Sequence[bytes], now: datetime
) -> None:
    """Note that these vectors were needed just now."""
    for some in _parts(hashes):
        session.execute(
            update(EmbeddingRow)
            .where(EmbeddingRow.encoder == encoder, EmbeddingRow.text_hash.in_(some))
            .values(used_at=now)
        )


def forget_embeddings(session: Session, unused_since: datetime) -> int:
    """Delete some of the vectors not used since; how many. 0 once there are no more."""
    some = session.execute(
        select(EmbeddingRow.encoder, EmbeddingRow.text_hash)
        .where(EmbeddingRow.used_at < unused_since)
        .limit(_ROWS_PER_DELETE)
    ).all()
    if not some:
        return 0
    for encoder in {row.encoder for row in some}:
        hashes = [row.text_hash for row in some if row.encoder == encoder]
        session.execute(
            delete(EmbeddingRow).where(
                EmbeddingRow.encoder == encoder, EmbeddingRow.text_hash.in_(hashes)
            )
        )
    return len(some)


def _parts(hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    starts = range(0, len(hashes), _HASHES_PER_STATEMENT)
    return [hashes[start : start + _HASHES_PER_STATEMENT] for start in starts]
