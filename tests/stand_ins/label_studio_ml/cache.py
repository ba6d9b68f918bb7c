"""Values by project and key, in a file of MODEL_DIR; what was read once is kept in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


class SqliteCache:
    def __init__(self) -> None:
        self.file = Path(os.environ.get("MODEL_DIR", "."), "cache.db")
        with self._open() as connection:
            connection.execute(
                "create table if not exists kept "
                "(project text, name text, value text, primary key (project, name))"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    @lru_cache(maxsize=100)  # noqa: B019  # the stale reads of the real one
    def __getitem__(self, place: tuple[str, str]) -> str | None:
        with self._open() as connection:
            query = "select value from kept where project = ? and name = ?"
            row = connection.execute(query, place).fetchone()
        return None if row is None else str(row[0])

    def __setitem__(self, place: tuple[str, str], value: str) -> None:
        if not isinstance(value, str):
            raise ValueError("a value must be text")  # noqa: TRY004  # as the real one
        with self._open() as connection:
            connection.execute("replace into kept values (?, ?, ?)", (*place, value))
        type(self).__getitem__.cache_clear()

    def __contains__(self, place: tuple[str, str]) -> bool:
        return self[place] is not None


def create_cache(cache_type: str, path: str | None = None) -> SqliteCache:
    del path  # MODEL_DIR counts
    if cache_type != "sqlite":
        raise ValueError(f"no such cache: {cache_type}")
    return SqliteCache()
