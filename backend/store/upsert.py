"""INSERT ... ON CONFLICT for the two databases that are supported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.store.tables import Base

_ROWS_PER_STATEMENT = 500  # SQLite binds at most 32,766 values a statement


def upsert(
    session: Session, table: type[Base], rows: Sequence[dict[str, Any]], keep: Sequence[str] = ()
) -> None:
    """Insert rows in bulk; where the primary key exists, overwrite every column but ``keep``.

    All rows have the same keys. An empty ``rows`` does nothing.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    keys = [column.name for column in inspect(table).primary_key]
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        chunk = list(rows[start : start + _ROWS_PER_STATEMENT])
        statement = insert(table).values(chunk)
        changed = {
            name: statement.excluded[name] for name in chunk[0] if name not in (*keys, *keep)
        }
        session.execute(
            statement.on_conflict_do_update(index_elements=keys, set_=changed)
            if changed
            else statement.on_conflict_do_nothing(index_elements=keys)
        )
