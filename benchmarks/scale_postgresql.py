"""Asked of a PostgreSQL on this machine: sizes of tables and indexes, processor time, log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# How a table's rows are made anew under other keys: the key's columns by what they become.
TABLES = {
    "inferences": {"id": "id + {shift}", "inference_id": "inference_id || '-{turn}'"},
    "tasks": {"task_id": "task_id + {shift}"},
    "decisions": {"seq": "seq + {shift}", "task_id": "task_id + {shift}"},
    "deliveries": {"task_id": "task_id + {shift}"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """Bytes of one row: in the table (with what is kept beside it), and in each index."""

    table: str
    rows: int
    heap: float
    indexes: dict[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return self.heap + sum(self.indexes.values())


def server_seconds(connection: Connection) -> float:
    """Processor seconds of all processes that serve this database for us, ended ones left out."""
    pids = connection.execute(
        text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    ).scalars()
    return sum(seconds_of(pid) for pid in pids)


def seconds_of(pid: int) -> float:
    """Processor seconds of a process of this machine (proc(5): fields 14 and 15)."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        raise SystemExit("the database is on another machine: its processor time cannot be seen")
    fields = stat.read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def log_position(connection: Connection) -> int:
    """Bytes of write-ahead log that this server has ever written."""
    return int(
        connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one()
    )


def size_of(engine: Engine, table: str, rows: int) -> TableSize:
    """What each of a table's rows takes, once the room of old ones is marked as free."""
    with alone(engine) as connection:
        connection.execute(text(f"VACUUM ANALYZE {table}"))
        heap = connection.execute(text(f"SELECT pg_table_size('{table}')")).scalar_one()
        indexes = connection.execute(
            text(
                "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index "
                "WHERE indrelid = to_regclass(:name)"
            ),
            {"name": table},
        ).all()
    return TableSize(
        table=table,
        rows=rows,
        heap=heap / rows,
        indexes={name: size / rows for name, size in indexes},
    )


def clone(engine: Engine, rows: int, most: int) -> None:
    """More rows like those that are there, under keys of their own."""
    with engine.begin() as connection:
        for table, keys in TABLES.items():
            columns = connection.execute(
                text(
                    "SELECT column_name FROM information_schema.columns "
                    "WHERE table_schema = current_schema() AND table_name = :name"
                ),
                {"name": table},
            ).scalars()
            names = list(columns)
            first = next(iter(keys))
            for turn in range(1, most // rows):
                values = [
                    keys[name].format(shift=turn * rows, turn=turn) if name in keys else name
                    for name in names
                ]
                connection.execute(
                    text(
                        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "  # noqa: S608  # names of our own tables
                        f"FROM {table} WHERE {first} <= {rows}"
                    )
                )


def without_data(engine: Engine, rows: int) -> float:
    """Bytes of a row in the table where the data is not kept (`keep: ids`)."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE slim (LIKE inferences)"))
        connection.execute(
            text("INSERT INTO slim SELECT * FROM inferences ORDER BY id LIMIT :rows"),
            {"rows": rows},
        )
        connection.execute(text("ALTER TABLE slim DROP COLUMN data, ADD COLUMN data json"))
        connection.execute(text("CREATE TABLE slimmer AS SELECT * FROM slim"))
        size = connection.execute(text("SELECT pg_table_size('slimmer')")).scalar_one()
        connection.execute(text("DROP TABLE slim, slimmer"))
    return float(size / rows)


def drop_s(engine: Engine, rows: int) -> float:
    """How long it takes to drop a partition that holds so many inferences."""
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE by_day (LIKE inferences) PARTITION BY RANGE (received_at)")
        )
        connection.execute(text("CREATE TABLE a_day PARTITION OF by_day DEFAULT"))
        connection.execute(
            text("INSERT INTO by_day SELECT * FROM inferences ORDER BY id LIMIT :rows"),
            {"rows": rows},
        )
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE a_day"))
    took = time.perf_counter() - began
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE by_day"))
    return took


def commit_s(engine: Engine, times: int = 50) -> float:
    """The median time of a transaction that writes next to nothing: one wait for the disk."""
    took = []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE commits (number int)"))
    for number in range(times):
        began = time.perf_counter()
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO commits VALUES (:n)"), {"n": number})
        took.append(time.perf_counter() - began)
    return sorted(took)[times // 2]


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A connection outside of any transaction, as VACUUM wants it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
