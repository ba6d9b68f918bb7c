"""One empty database with one project for each test of the store, on each of its engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from backend.store.columns import Base
from tests.fakes.databases import Database, database_at, sqlite_database
from tests.real_servers import copied_database


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


@pytest.fixture(scope="session")
def store_url(postgresql_template: str) -> Iterator[str]:
    """A database that all tests of the store share: making one takes longer than most of them."""
    with copied_database(postgresql_template) as url:
        engine = database_at(url).engine
        with engine.begin() as connection:
            name = make_url(url).database
            # Tests of the store end no server: nothing of theirs has to be on disk.
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
        engine.dispose()
        yield url


@pytest.fixture
def emptied_url(store_url: str) -> Iterator[str]:
    """The shared database, empty at the start; tests that change its schema make their own."""
    yield store_url
    engine = database_at(store_url).engine
    _empty(engine)
    engine.dispose()


def _empty(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if connection.execute(table.delete()).rowcount and "id" in table.c:
                sequence = connection.scalar(
                    text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
                )
                if sequence is not None:
                    connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))
