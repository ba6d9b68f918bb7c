"""All rows of the database as values that no engine owns: read from one snapshot, written back.

The tables are those that stand in the database, whatever its schema's revision: a backup of an
older version is written into that version's tables, and brought up to date there.
"""

from __future__ import annotations

import math
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import SAWarning

from backend.store.columns import storable
from backend.store.engine import make_engine

# Who holds a lease, who is signed in and what is being shared is over once a backup is restored;
# the orders of the installation that it was made of are not those of this one.
_PASSING = {"alembic_version", "installations", "leases", "web_sessions", "work_chunks"}
_ROWS_AT_ONCE = 500

Code = Callable[[Any], Any]


@contextmanager
def snapshot(engine: Engine, folder: Path) -> Iterator[Connection]:
    """The database as it is at one moment, while others write on.

    Of SQLite a copy is made in ``folder`` by its online backup, so that no long reader keeps its
    log from being shortened; on PostgreSQL it is one transaction that reads.
    """
    if engine.dialect.name == "sqlite":
        copy = make_engine(f"sqlite:///{folder / 'snapshot.db'}")
        try:
            with engine.connect() as source, copy.connect() as target:
                driver: Any = source.connection.driver_connection
                driver.backup(target.connection.driver_connection)
            with copy.connect() as connection:
                yield connection
        finally:
            copy.dispose()
        return
    with engine.connect() as connection:
        reading = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        reading.execute(text("SET LOCAL statement_timeout = 0"))
        reading.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield reading


def tables_of(connection: Connection) -> list[Table]:
    """The tables that a backup holds, those that others refer to first."""
    found = MetaData()
    with warnings.catch_warnings():
        # Some indices cannot be described; only columns and what they refer to are asked for.
        warnings.simplefilter("ignore", SAWarning)
        found.reflect(connection)
    return [each for each in found.sorted_tables if each.name not in _PASSING]


def read_rows(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """Every row, its values as JSON has them, in the order of the table's columns."""
    codes = [_encoder(column) for column in table.columns]
    rows = connection.execute(
        select(*table.columns).order_by(*table.primary_key.columns),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    with rows:
        for row in rows:
            yield [
                None if value is None else code(value)
                for code, value in zip(codes, row, strict=True)
            ]


def write_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[list[Any]]
) -> int:
    """Insert rows that ``read_rows`` gave, of a table with the same columns; how many there were.

    Raises ``ValueError`` for a value that its column cannot have.
    """
    codes = [_decoder(table.columns[name]) for name in columns]
    written, coming = 0, iter(rows)
    while some := list(islice(coming, _ROWS_AT_ONCE)):
        values = [
            {
                name: None if value is None else code(value)
                for name, code, value in zip(columns, codes, row, strict=True)
            }
            for row in some
        ]
        connection.execute(insert(table), values)
        written += len(values)
    _number_on(connection, table)
    return written


def gather_statistics(connection: Connection) -> None:
    """Let PostgreSQL plan by what its tables hold now; by itself it does a minute later, or never.

    Without, a search by what people answered reads the whole ledger. SQLite plans by the schema.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))


def is_empty(connection: Connection) -> bool:
    """Whether the database holds nothing that a backup would hold."""
    return all(
        connection.execute(select(1).select_from(table).limit(1)).first() is None
        for table in tables_of(connection)
    )


def _number_on(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers new rows by a sequence of its own, which knows nothing of these."""
    if connection.dialect.name != "postgresql" or "id" not in table.columns:
        return
    sequence = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
    )
    highest = connection.scalar(select(func.max(table.columns["id"])))
    if sequence is not None and highest is not None:
        connection.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :highest)"),
            {"sequence": sequence, "highest": highest},
        )


def _encoder(column: Column[Any]) -> Code:
    match column.type:
        case DateTime():
            return _time_text
        case LargeBinary():
            return lambda value: b64encode(value).decode()
        case Float():
            return lambda value: value if math.isfinite(value) else str(value)
        case _:
            return lambda value: value


def _decoder(column: Column[Any]) -> Code:
    match column.type:
        case DateTime():
            return datetime.fromisoformat
        case LargeBinary():
            return lambda value: b64decode(value, validate=True)
        case Float():
            return float
        case _:
            return lambda value: storable(value) if isinstance(value, str) else value


def _time_text(value: datetime) -> str:
    """SQLite forgets the zone; it was UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()
