"""A database at the newest schema, as a copy: migrating one takes longer than most tests."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from backend.store.engine import make_engine
from backend.store.schema import migrate

_OPENED: list[Engine] = []


def migrated_engine(url: str) -> Engine:
    """An engine whose database has the newest schema; a SQLite file that is new is a copy."""
    database = make_url(url).database
    if url.startswith("sqlite") and database and not Path(database).exists():
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_template(), database)
    engine = make_engine(url)
    migrate(engine)  # nothing to do for a copy
    _OPENED.append(engine)
    return engine


def close_engines() -> None:
    """End the connections of all engines that were made; on PostgreSQL each is one of a hundred."""
    while _OPENED:
        _OPENED.pop().dispose()


@cache
def _template() -> Path:
    """Made once a process, by the migrations themselves."""
    path = Path(tempfile.mkdtemp(prefix="labelgate-schema-")) / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()  # the last connection writes the log into the file
    return path
