"""Engines and sessions: SQLite in WAL mode on one machine, PostgreSQL past it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

READS = "labelgate_reads"
_ASK_AGAIN_MS = 4


def make_engine(url: str) -> Engine:
    """An engine for this database URL; a SQLite file's folder is made."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_sessions(engine: Engine) -> tuple[sessionmaker[Session], sessionmaker[Session]]:
    """Sessions that write, and sessions that only read."""
    reading = engine.execution_options(**{READS: True})
    return (
        sessionmaker(engine, expire_on_commit=False),
        sessionmaker(reading, expire_on_commit=False),
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an answered webhook survives a power cut, not only a kill
        "busy_timeout=20000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another writer was
    # faster, whatever the busy timeout; so writers queue at the start instead.
    if connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite itself asks for the lock less and less often, down to every 100 ms, so that of many
    # short writers some wait for half a second while others that came later go first.
    driver: Any = connection.connection.driver_connection
    (patience_ms,) = driver.execute("PRAGMA busy_timeout").fetchone()
    driver.execute(f"PRAGMA busy_timeout={_ASK_AGAIN_MS}")
    try:
        if not _began(driver, time.monotonic() + patience_ms / 1000):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # says what is wrong
    finally:
        driver.execute(f"PRAGMA busy_timeout={patience_ms}")


def _began(connection: sqlite3.Connection, deadline: float) -> bool:
    """Ask for the write lock until the deadline; whether it was given."""
    while time.monotonic() < deadline:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                return False
        else:
            return True
    return False
