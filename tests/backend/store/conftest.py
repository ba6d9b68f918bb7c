"""One empty database with one project for each test of the store, on each of its engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.databases import Database, database_at, sqlite_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Every engine that the store is promised to work on: the same contract holds on each."""
    if request.param == "sqlite":
        made = sqlite_database(tmp_path)
    else:
        made = database_at(request.getfixturevalue("emptied_url"))
    made.add_project()
    yield made
    made.engine.dispose()
