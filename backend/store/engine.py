"""Engines and sessions: SQLite in WAL mode on one machine, PostgreSQL past it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

READS, LONE = "labelgate_reads", "labelgate_lone_statement"
_ASK_AGAIN_MS = 4
_LOCK_WAIT_MS = 20_000
# A statement that takes longer holds a thread for nobody; a process that stands still in the middle
# of a transaction would hold its locks for ever.
_SESSION = (
    f"-c timezone=UTC -c lock_timeout={_LOCK_WAIT_MS} -c statement_timeout=600000 "
    "-c idle_in_transaction_session_timeout=3600000"
)
_CONNECTION: dict[str, str | int] = {
    "connect_timeout": 10,
    "client_encoding": "UTF8",
    # Else a host that vanished is waited for as long as the system waits: hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class DatabaseAddressError(Exception):
    """No address of a database that Labelgate works on; the message never repeats it."""


def database_url(text: str) -> URL:
    """The address in its one form: ``postgresql://`` is that of psycopg, the password in its place.

    Raises ``DatabaseAddressError``.

    >>> database_url("postgres://ann:pw@db/labelgate").drivername
    'postgresql+psycopg'
    """
    try:
        url = make_url(text)
        name = url.get_backend_name()
    except (ArgumentError, ValueError):  # their messages repeat parts of it: half a password
        raise DatabaseAddressError(
            "it is no address of a database; in a password @ is written %40, : is %3A and / is %2F"
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if name not in {"sqlite", "postgresql", "postgres"}:
        raise DatabaseAddressError(f"{name} is no database that Labelgate works on")
    hidden = url.query.get("password")
    if isinstance(hidden, str):
        url = url.difference_update_query(["password"]).set(password=url.password or hidden)
    return url


def make_engine(url: str) -> Engine:
    """An engine for this database URL; a SQLite file's folder is made.

    Raises ``DatabaseAddressError`` for an address that cannot be read, without repeating it.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, hide_parameters=True)  # texts and tokens are not for the log
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_sessions(engine: Engine) -> tuple[sessionmaker[Session], sessionmaker[Session]]:
    """Sessions that write, and sessions that only read."""
    # A transaction that reads sees one state of the database, as it does on SQLite.
    snapshot = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    reading = engine.execution_options(**{READS: True}, **snapshot)
    return (
        sessionmaker(engine, expire_on_commit=False),
        sessionmaker(reading, expire_on_commit=False),
    )


def for_lone_statements(reads: sessionmaker[Session]) -> Engine:
    """The engine of these sessions for reads of one statement, which need no transaction.

    A statement sees one state of the database by itself. What ``/predict`` reads for a task that
    a person opens takes a fifth less so, and on PostgreSQL two ways there and back less.
    """
    engine: Engine = reads.kw["bind"]
    alone = {} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    return engine.execution_options(**{LONE: True}, **alone)


def _postgresql(url: URL) -> Engine:
    """Times are UTC; whoever waits for a lock gives up when SQLite would."""
    given = url.query.get("options", ())
    options = " ".join([_SESSION, *([given] if isinstance(given, str) else given)])
    return create_engine(
        url,
        pool_pre_ping=True,  # a server that was started again is noticed before the first statement
        pool_size=5,
        max_overflow=60,  # threads of a web process, each with one transaction at a time
        hide_parameters=True,
        # Writers lock the rows that they rely on, and then read what stands there now.
        isolation_level="READ COMMITTED",
        # What the address says stands.
        connect_args={
            **{name: url.query.get(name, value) for name, value in _CONNECTION.items()},
            "options": options,
        },
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an answered webhook survives a power cut, not only a kill
        f"busy_timeout={_LOCK_WAIT_MS}",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another writer was
    # faster, whatever the busy timeout; so writers queue at the start instead.
    options = connection.get_execution_options()
    if options.get(LONE):
        return
    if options.get(READS):
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


# What PostgreSQL calls a transaction that lost against another one, and would do if run again:
# serialization_failure, deadlock_detected (its manual, appendix A).
_LOST = {"40001", "40P01"}


def lost_to_another(error: OperationalError) -> bool:
    """Whether a transaction failed only because of another one: to be run again from its start."""
    return getattr(error.orig, "sqlstate", None) in _LOST
