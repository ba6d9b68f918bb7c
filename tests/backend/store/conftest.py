"""One empty database with one project for each test of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.databases import Database, sqlite_database


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Every kind of database that a driver is locked for."""
    made = {"sqlite": sqlite_database}[request.param](tmp_path)
    made.add_project()
    return made
