"""INSERT of many rows whose values are made ready beforehand, so that a transaction is short.

What SQLAlchemy does with a row takes twice as long as what SQLite does with it, and on SQLite every
other writer waits until a transaction is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, insert
from sqlalchemy.orm import Session

from backend.store.columns import Base

Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class BulkInsert:
    """The statement for some columns of a table, as the database's driver takes it."""

    columns: tuple[str, ...]
    statement: str
    _processors: tuple[Callable[[Any], Any] | None, ...]
    _places: tuple[int, ...] | None  # of the driver's values among the columns; None: by name

    def ready(self, rows: Sequence[Values]) -> list[Any]:
        """Rows, each with its values in the order of ``columns``, as the driver takes them."""
        if not rows:
            return []
        made = [
            values if process is None else tuple(map(process, values))
            for process, values in zip(self._processors, zip(*rows, strict=True), strict=True)
        ]
        if self._places is not None:
            return list(zip(*(made[place] for place in self._places), strict=True))
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*made, strict=True)]

    def run(self, session: Session, ready: Sequence[Any]) -> None:
        """Insert what ``ready`` gave. An empty sequence does nothing."""
        if ready:
            session.connection().exec_driver_sql(self.statement, list(ready))


def bulk_insert(dialect: Dialect, table: type[Base], columns: Sequence[str]) -> BulkInsert:
    """The insert of these columns; the others must have a default in the database, or be null."""
    target: Any = table.__table__
    # Inline: nothing is to be returned of the rows.
    compiled = insert(target).inline().compile(dialect=dialect, column_keys=list(columns))
    processors = [
        target.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns
    ]
    order: Sequence[str] | None = compiled.positiontup
    return BulkInsert(
        columns=tuple(columns),
        statement=str(compiled),
        _processors=tuple(processors),
        _places=None if order is None else tuple(columns.index(name) for name in order),
    )
