"""Bringing a database to the newest schema. Safe when several processes start at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ColumnElement, Connection, Engine, func, select, text

MIGRATIONS = Path(__file__).parent / "migrations"
_KEY = 0x1ABE16A7E  # any constant: the key of PostgreSQL's advisory lock
_ALONE = func.pg_advisory_xact_lock(_KEY)
_SHARED = func.pg_advisory_xact_lock_shared(_KEY)


class SchemaError(Exception):
    """The database is newer than this program, or cannot be migrated."""


def make_anew(connection: Connection, revision: str) -> None:
    """Take every table away and make those of a revision, which ``raise_to_head`` changes later.

    All in the connection's transaction. Raises ``SchemaError`` for a revision that is not known.
    """
    if connection.dialect.name == "postgresql":
        _prepare_postgresql(connection, _ALONE)
    if revision not in _revisions().known:
        raise SchemaError(
            f"schema {revision!r} is not known to this version of Labelgate: install the version "
            "that wrote it, or a newer one"
        )
    config = _config(connection)
    if MigrationContext.configure(connection).get_current_revision() is not None:
        command.downgrade(config, "base")
    command.upgrade(config, revision)


def raise_to_head(connection: Connection) -> None:
    """Bring a known revision to the newest one, in the connection's transaction."""
    command.upgrade(_config(connection), "head")


def migrate(engine: Engine) -> None:
    """Upgrade to the newest revision, in one transaction that other starters wait for.

    On PostgreSQL starters that have nothing to do do not wait for each other: every command is one,
    and one that stands still in the middle would hold up all.
    """
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            _prepare_postgresql(connection, _SHARED)
            if schema_state(connection).is_newest:
                return
    with engine.begin() as connection:  # on SQLite: BEGIN IMMEDIATE, one migrator at a time
        if connection.dialect.name == "postgresql":
            _prepare_postgresql(connection, _ALONE)
        state = schema_state(connection)
        if state.is_newest:
            return
        if not state.is_known:
            raise SchemaError(
                f"the database has schema {state.current!r}, which this version of Labelgate does "
                "not know: install the version that wrote it, or a newer one"
            )
        command.upgrade(_config(connection), "head")


def _prepare_postgresql(connection: Connection, lock: ColumnElement[object]) -> None:
    """Wait for whoever migrates, for as long as a large table takes to change."""
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise SchemaError(
            f"the database keeps its texts in {encoding}, which cannot hold every task's: make "
            "one with `createdb --encoding UTF8 --template template0`"
        )
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(select(lock))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """Which schema a database has, and which one this program works with.

    ``current`` is None for an empty database; ``is_known`` is False for one from the future.
    """

    current: str | None
    head: str | None
    is_known: bool

    @property
    def is_newest(self) -> bool:
        """Whether the program can work with it."""
        return self.current == self.head


def schema_state(connection: Connection) -> SchemaState:
    """Look at a database's schema without changing it."""
    current = MigrationContext.configure(connection).get_current_revision()
    revisions = _revisions()
    return SchemaState(
        current=current,
        head=revisions.head,
        is_known=current is None or current in revisions.known,
    )


def require_newest(engine: Engine) -> None:
    """Raise ``SchemaError`` where the database is at another schema than this program's."""
    with engine.connect() as connection:
        state = schema_state(connection)
    if not state.is_newest:
        raise SchemaError(
            f"the database has schema {state.current or 'none'}, this program works with "
            f"{state.head}: "
            + (
                "run `labelgate migrate`, or set LABELGATE_MIGRATE_AT_START=true"
                if state.is_known
                else "install the version that wrote it, or a newer one"
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revisions:
    head: str | None
    known: frozenset[str]


@cache
def _revisions() -> _Revisions:
    """Those that this program brings; read once, because each is a file that has to be run."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return _Revisions(head=scripts.get_current_head(), known=known)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
