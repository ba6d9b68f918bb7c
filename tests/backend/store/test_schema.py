"""Migrations: from nothing to what the tables say, by several starters at once, and back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from backend.store.columns import Base
from backend.store.engine import make_engine
from backend.store.freezes import EXPORT, Freeze, freezes, store_freeze
from backend.store.schema import SchemaError, _config, migrate
from tests.fakes.databases import NOW, PROJECT_ID, Database
from tests.fakes.policy_documents import make_certification

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


def test_processes_that_start_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'folder' / 'store.db'}"
    program = (
        "import sys; from backend.store.engine import make_engine\n"
        "from backend.store.schema import migrate\n"
        "sys.stdin.readline(); migrate(make_engine(sys.argv[1]))"
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
    assert set(METADATA.tables) < set(inspect(make_engine(url)).get_table_names())


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
