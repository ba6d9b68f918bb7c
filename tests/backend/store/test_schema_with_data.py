"""Every revision down to the oldest and up again with rows in all tables, on each engine.

What a revision takes away is named here; everything else is there afterwards as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table, insert, select
from sqlalchemy.orm import Session

from backend.store.columns import Base, Json, UtcDateTime
from backend.store.copies import tables_of
from backend.store.ledger import Grounds, append_decisions
from backend.store.ledger_check import verify_ledger
from backend.store.schema import _config, migrate
from tests.fakes.databases import NOW, PROJECT_ID, Database
from tests.fakes.decisions import ACCEPTED

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
OLDEST, NUMBER = "0001", 7
# What going down says of a table's columns in another way, and what coming up says then.
SAID_ANEW = {
    ("0002", "certificates", "evidence"),  # a list of one for each group, or the first one alone
    ("0007", "training_requests", "state"),  # five ways to end, or two
}
# Values that mean something to a revision; all others are made up by the type of their column.
KNOWN: dict[tuple[str, str], Any] = {
    ("certificates", "evidence"): [{"model_version": "v1", "threshold": 0.75}],
    ("training_requests", "reasons"): ["labels", "drift"],
    ("training_requests", "state"): "promoted",
    ("tasks", "decision_seq"): 1,
    ("freezes", "evidence"): {},
}


@pytest.fixture
def emptied_url(postgresql_url: str) -> str:
    """Its schema is changed here: a database of the test's own."""
    return postgresql_url


def filled(database: Database) -> None:
    """A row in each table that has none yet, and a ledger that holds."""
    database.add_tasks(NUMBER)
    with database.sessions.begin() as session:
        decision = replace(ACCEPTED, task_id=NUMBER)
        grounds = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)
        append_decisions(session, PROJECT_ID, [decision] * 3, grounds, NOW)
    with database.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if connection.execute(select(table).limit(1)).first() is None:
                values = {column.name: _made_up(table, column) for column in table.columns}
                connection.execute(insert(table), values)


MADE_UP: list[tuple[type[Any], Any]] = [
    (Json, {"a": ["λ", 1.5, None]}),
    (UtcDateTime, datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
    (Boolean, True),
    (Integer, NUMBER),
    (Float, 1 / 3),
    (LargeBinary, bytes(range(32))),
]


def _made_up(table: Table, column: Column[Any]) -> Any:
    if (table.name, column.name) in KNOWN:
        return KNOWN[table.name, column.name]
    referred = {key.column.table.name for key in column.foreign_keys}
    if column.name == "project_id" or "projects" in referred:
        return PROJECT_ID
    of_its_type = [value for kind, value in MADE_UP if isinstance(column.type, kind)]
    return NUMBER if referred else [*of_its_type, f"{column.name} λ"][0]


def rows_of(database: Database) -> Rows:
    """Every table's rows by their keys; times all in one form."""
    found: Rows = {}
    with database.engine.connect() as connection:
        for table in tables_of(connection):
            keys = [column.name for column in table.primary_key.columns]
            found[table.name] = {
                tuple(row[key] for key in keys): {
                    name: _plain(value) for name, value in row.items()
                }
                for row in connection.execute(select(table)).mappings()
            }
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    return bytes(value) if isinstance(value, memoryview) else value


def lost(before: Rows, after: Rows, revision: str) -> Iterator[str]:
    """What is not there any more, of the tables and columns that both have."""
    for name in sorted(before.keys() & after.keys()):
        for key, row in before[name].items():
            now = after[name].get(key)
            if now is None:
                yield f"{name} {key} is gone"
                continue
            for column in sorted(row.keys() & now.keys()):
                said_anew = (revision, name, column) in SAID_ANEW
                if not said_anew and row[column] != now[column]:
                    yield f"{name}.{column} was {row[column]!r}, is {now[column]!r}"


def go(database: Database, revision: str, *, up: bool) -> None:
    with database.engine.begin() as connection:
        step = command.upgrade if up else command.downgrade
        step(_config(connection), revision)


def revisions(database: Database) -> list[str]:
    """From the newest to the oldest."""
    with database.engine.connect() as connection:
        scripts = ScriptDirectory.from_config(_config(connection))
        return [each.revision for each in scripts.walk_revisions()]


def test_a_row_of_every_table_goes_down_and_up_again(database: Database) -> None:
    filled(database)
    first = before = rows_of(database)
    assert all(before.values()), [name for name, rows in before.items() if not rows]
    ways = revisions(database)
    assert ways[-1] == OLDEST
    for newer, older in pairwise(ways):
        go(database, older, up=False)
        after = rows_of(database)
        assert list(lost(before, after, newer)) == [], f"going down from {newer} to {older}"
        before = after
    for older, newer in pairwise(reversed(ways)):
        go(database, newer, up=True)
        after = rows_of(database)
        assert list(lost(before, after, newer)) == [], f"going up from {older} to {newer}"
        before = after
    assert before.keys() == first.keys()
    for name in ("projects", "policies", "tasks", "annotations", "decisions", "models", "reports"):
        assert before[name].keys() == first[name].keys(), name
    certificates = list(before["certificates"].values())
    assert json.loads(certificates[0]["evidence"]) == KNOWN["certificates", "evidence"]
    with Session(database.engine) as session:
        check = verify_ledger(session, PROJECT_ID)
        assert (check.entries, check.broken_seq) == (3, None)
    migrate(database.engine)
    database.add_tasks(NUMBER + 1)


def test_it_goes_on_working_at_once_after_a_step_back(database: Database) -> None:
    """A version that was taken back after an hour: the older schema is brought up as at a start."""
    filled(database)
    newest, before_it = revisions(database)[:2]
    go(database, before_it, up=False)
    migrate(database.engine)
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == newest
    with database.sessions.begin() as session:
        grounds = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)
        rows = [replace(ACCEPTED, task_id=NUMBER)]
        assert append_decisions(session, PROJECT_ID, rows, grounds, NOW) == 4
