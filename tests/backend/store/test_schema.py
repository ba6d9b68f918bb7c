"""Migrations: from nothing to what the tables say, by several starters at once, and back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread, current_thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from backend.store import schema
from backend.store.columns import Base
from backend.store.engine import make_engine
from backend.store.freezes import EXPORT, Freeze, freezes, store_freeze
from backend.store.schema import SchemaError, SchemaState, _config, migrate, schema_state
from tests.fakes.databases import NOW, PROJECT_ID, Database
from tests.fakes.policy_documents import make_certification
from tests.real_servers import new_database

METADATA = Base.metadata  # migrating reads the modules of all tables


@pytest.fixture
def emptied_url(postgresql_url: str) -> str:
    """Its schema is changed here: a database of the test's own."""
    return postgresql_url


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.engine.connect() as connection:
        before = connection.execute(text("SELECT title FROM projects")).all()
    migrate(database.engine)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT title FROM projects")).all() == before


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_processes_that_start_at_once_do_not_disturb_each_other(
    tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    if store == "sqlite":
        starters_make_one_schema(f"sqlite:///{tmp_path / 'folder' / 'store.db'}")
        return
    with new_database(request.getfixturevalue("postgresql_server")) as url:
        starters_make_one_schema(url)


def starters_make_one_schema(url: str) -> None:
    program = (
        "import sys; from backend.store.engine import make_engine\n"
        "from backend.store.schema import migrate\n"
        "sys.stdin.readline(); engine = make_engine(sys.argv[1]); migrate(engine); engine.dispose()"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    errors = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], errors
    engine = make_engine(url)
    assert set(METADATA.tables) < set(inspect(engine).get_table_names())
    engine.dispose()


def test_a_starter_that_stands_still_holds_up_no_other(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(postgresql_url)
    stands, goes_on = Event(), Event()

    def looks_slowly(connection: Connection) -> SchemaState:
        if current_thread() is slow:
            stands.set()
            goes_on.wait(60)
        return schema_state(connection)

    monkeypatch.setattr(schema, "schema_state", looks_slowly)
    slow, other = Thread(target=migrate, args=(engine,)), Thread(target=migrate, args=(engine,))
    slow.start()
    assert stands.wait(30)
    other.start()
    other.join(30)
    was_held_up = other.is_alive()
    goes_on.set()
    slow.join()
    other.join()
    engine.dispose()
    assert not was_held_up


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"'9999', which this version of Labelgate does not know"):
        migrate(database.engine)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_downgrading_takes_everything_away_and_upgrading_brings_it_back(
    database: Database,
) -> None:
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), "base")
    assert set(inspect(database.engine).get_table_names()) == {"alembic_version"}
    migrate(database.engine)
    assert set(METADATA.tables) < set(inspect(database.engine).get_table_names())


def test_a_certificate_of_the_first_schema_becomes_a_list_and_back(database: Database) -> None:
    evidence = {"model_version": "v1", "threshold": 0.75, "errors": 3}
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO certificates (project_id, model_version, policy_hash, threshold,"
                " evidence, certified_at) VALUES (:project, 'v1', 'p', 0.75, :evidence, :now)"
            ),
            {
                "project": PROJECT_ID,
                "evidence": json.dumps(evidence),
                "now": "2026-01-01 00:00:00",
            },
        )
    migrate(database.engine)
    with database.engine.begin() as connection:
        rows = connection.execute(text("SELECT evidence FROM certificates")).scalars().all()
        assert [json.loads(row) for row in rows] == [[evidence]]
        command.downgrade(_config(connection), "0001")
        row = connection.execute(text("SELECT threshold, evidence FROM certificates")).one()
        assert (row.threshold, json.loads(row.evidence)) == (0.75, evidence)


def test_freezes_go_with_the_schema_and_their_tasks_are_provisional_again(
    database: Database,
) -> None:
    database.add_tasks(1, 2)
    with database.sessions.begin() as session:
        freeze = Freeze(
            number=1,
            model_version="v1",
            policy_hash="p",
            evidence={"fresh": make_certification(0.8).certificates},
            answers=50,
            left_control=(7,),
            tasks=0,
            why=EXPORT,
            frozen_at=NOW,
        )
        stored = store_freeze(session, PROJECT_ID, freeze, {}, [1, 2])
        session.execute(text("UPDATE tasks SET freeze_id = :id"), {"id": stored.id})
    with database.reads() as session:
        assert freezes(session, PROJECT_ID) == [stored]
        assert (stored.evidence, stored.left_control) == (freeze.evidence, (7,))
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), "0003")
        assert connection.scalar(text("SELECT count(*) FROM tasks")) == 2
    migrate(database.engine)
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT freeze_id, first_freeze FROM tasks")).all()
        assert [tuple(row) for row in rows] == [(None, None)] * 2
    with database.reads() as session:
        assert freezes(session, PROJECT_ID) == []
