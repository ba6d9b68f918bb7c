"""INSERT ... ON CONFLICT for the two databases that are supported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.store.columns import Base


def upsert(
    session: Session, table: type[Base], rows: Sequence[dict[str, Any]], keep: Sequence[str] = ()
) -> None:
    """Insert rows in bulk; where the primary key exists, overwrite every column but ``keep``.

    All rows have the same keys. An empty ``rows`` does nothing.
    """
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    keys = [column.name for column in inspect(table).primary_key]
    statement = insert(Base.metadata.tables[table.__tablename__])
    changed = {name: statement.excluded[name] for name in rows[0] if name not in (*keys, *keep)}
    # One small statement for all rows: writing out one large statement takes ten times as long,
    # and every other writer waits meanwhile.
    session.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else statement.on_conflict_do_nothing(index_elements=keys),
        list(rows),
    )
