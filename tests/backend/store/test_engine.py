"""Addresses of databases, what their sessions promise, and connections that die."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from backend.bootstrap import build_runtime
from backend.diagnosis.database import judge, look
from backend.redaction import redacted, redactor
from backend.settings import Settings, SettingsError
from backend.store.columns import storable
from backend.store.engine import (
    DatabaseAddressError,
    database_url,
    lost_to_another,
    make_engine,
    make_sessions,
)
from backend.store.ledger import Grounds, append_decisions, entry_named
from backend.store.ledger_check import verify_ledger
from backend.store.schema import SchemaError, migrate
from backend.store.tables import AnnotationRow, ProjectRow, TaskRow
from tests.fakes.databases import NOW, PROJECT_ID, Database, database_at
from tests.fakes.decisions import ACCEPTED
from tests.real_servers import end, new_database, postgresql_program, start_postgresql

SECRET = "Canary9Word"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql://ann:pw@db/x", "postgresql+psycopg://ann:pw@db/x"),
        ("postgres://ann:pw@db/x", "postgresql+psycopg://ann:pw@db/x"),
        ("postgresql+psycopg://ann:a%2Fb%40c@db/x", "postgresql+psycopg://ann:a%2Fb%40c@db/x"),
        ("postgresql://ann@db/x?password=pw", "postgresql+psycopg://ann:pw@db/x"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
    ],
)
def test_an_address_has_one_form(given: str, meant: str) -> None:
    assert database_url(given) == make_url(meant)


@pytest.mark.parametrize(
    "given",
    [
        f"{SECRET}",
        f"postgresql:ann:{SECRET}@db",
        f"mysql://ann:{SECRET}@db/x",
        f"postgresql://ann:pw@db:{SECRET}/x",
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(given: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=given)
    with pytest.raises(SettingsError) as refused:
        build_runtime(settings)
    assert "LABELGATE_DATABASE_URL cannot be used" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(settings)
    with pytest.raises(DatabaseAddressError):
        database_url(given)


def test_the_password_is_told_nowhere(
    tmp_path: Path, postgresql_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not by the settings, the engine, a refused connection, the doctor, or a job's log."""
    server = make_url(postgresql_server)
    address = server.set(drivername="postgresql", username="nobody_known", password=SECRET)
    settings = Settings(
        data_dir=tmp_path, database_url=address.render_as_string(hide_password=False)
    )
    caplog.set_level(logging.DEBUG)
    runtime = build_runtime(settings, migrates=False)
    with pytest.raises(OperationalError) as refused, runtime.reads() as session:
        session.execute(text("SELECT 1"))
    seen = judge(look(runtime))
    shown = [repr(settings), repr(runtime), repr(refused.value), str(seen), caplog.text]
    assert "does not answer" in str(seen)
    assert not [each for each in shown if SECRET in each]
    line = redacted(f"connecting to {settings.store_url}", redactor(settings))
    assert SECRET not in line
    runtime.sessions.kw["bind"].dispose()


def test_an_error_names_no_values(database: Database) -> None:
    """Statements carry people's texts and hashes of tokens: logs get the statement alone."""
    with pytest.raises(IntegrityError) as failed, database.sessions.begin() as session:
        session.execute(
            text("INSERT INTO tasks (project_id, task_id, data) VALUES (1, 1, :data)"),
            {"data": SECRET},
        )
    assert SECRET not in str(failed.value).split("DETAIL")[0]


def test_texts_hold_no_nul_and_the_ledger_hashes_what_they_hold(database: Database) -> None:
    database.add_tasks(1)
    strange = "a\0b"
    with database.sessions.begin() as session:
        decision = replace(ACCEPTED, task_id=1, label=strange)
        grounds = Grounds(model_version="v\0", policy_hash="policy-1", certificate_id=None)
        append_decisions(session, PROJECT_ID, [decision], grounds, NOW)
        session.execute(text("UPDATE tasks SET data = :data"), {"data": '{"text": "a\\u0000b"}'})
        session.add(_answer(strange))
    with database.reads() as session:
        entry = entry_named(session, PROJECT_ID, 1)
        assert entry is not None
        assert (entry.decision.label, entry.grounds.model_version) == ("a\ufffdb", "v\ufffd")
        assert verify_ledger(session, PROJECT_ID).broken_seq is None
        found = session.scalars(select(AnnotationRow).where(AnnotationRow.label == strange)).one()
        assert (found.label, found.result) == (storable(strange), [strange])
        assert session.scalars(select(TaskRow.data)).one() == {"text": strange}


def test_times_come_back_as_the_same_moment_in_utc(database: Database) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=5.5)))
    with database.sessions.begin() as session:
        session.get_one(ProjectRow, PROJECT_ID).synced_until = moment
    with database.reads() as session:
        found = session.get_one(ProjectRow, PROJECT_ID).synced_until
        assert found == moment
        assert found is not None
        assert found.tzinfo is UTC


def test_ids_have_64_bits(database: Database) -> None:
    largest = 2**63 - 1
    database.add_tasks(largest)
    with database.sessions.begin() as session:
        decision = replace(ACCEPTED, task_id=largest)
        grounds = Grounds(model_version=None, policy_hash="policy-1", certificate_id=None)
        append_decisions(session, PROJECT_ID, [decision], grounds, NOW)
    with database.reads() as session:
        assert session.scalars(select(TaskRow.task_id)).one() == largest
        assert verify_ledger(session, PROJECT_ID).broken_seq is None
    with pytest.raises((DataError, OverflowError)):
        database.add_tasks(largest + 1)


def test_a_reading_session_sees_one_state_and_a_writing_one_what_is_there_now(
    database: Database,
) -> None:
    with database.reads() as reading:
        assert reading.scalars(select(TaskRow.task_id)).all() == []
        database.add_tasks(1)
        assert reading.scalars(select(TaskRow.task_id)).all() == []
    with database.sessions.begin() as writing:
        assert writing.scalars(select(TaskRow.task_id)).all() == [1]


def test_sessions_of_postgresql_have_their_settings(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url + "?options=-c%20statement_timeout%3D150&connect_timeout=3")
    sessions, reads = make_sessions(engine)
    with sessions() as session:
        told = {
            name: session.scalar(text(f"SHOW {name}"))
            for name in ("timezone", "lock_timeout", "transaction_isolation", "statement_timeout")
        }
        assert told == {
            "timezone": "UTC",
            "lock_timeout": "20s",
            "transaction_isolation": "read committed",
            "statement_timeout": "150ms",  # the address has the last word
        }
        with pytest.raises(OperationalError, match="statement timeout"):
            session.execute(text("SELECT pg_sleep(5)"))
    with reads() as session:
        assert session.scalar(text("SHOW transaction_isolation")) == "repeatable read"
    engine.dispose()


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql_server: str) -> None:
    with new_database(postgresql_server) as url:
        engine = make_engine(url)
        name = make_url(url).database
        with engine.connect() as connection:
            autonomous = connection.execution_options(isolation_level="AUTOCOMMIT")
            autonomous.execute(
                text(
                    f'CREATE DATABASE "{name}_latin" ENCODING LATIN1 LC_COLLATE "C" '
                    'LC_CTYPE "C" TEMPLATE template0'
                )
            )
        address = make_url(url).set(database=f"{name}_latin")
        latin = make_engine(address.render_as_string(hide_password=False))
        try:
            with pytest.raises(SchemaError, match="keeps its texts in LATIN1"):
                migrate(latin)
        finally:
            latin.dispose()
            with engine.connect() as connection:
                autonomous = connection.execution_options(isolation_level="AUTOCOMMIT")
                autonomous.execute(text(f'DROP DATABASE "{name}_latin"'))
            engine.dispose()


def test_a_server_that_was_started_again_is_found_again(tmp_path: Path) -> None:
    if postgresql_program("postgres") is None:
        pytest.skip("no PostgreSQL server to kill: install it (Debian: postgresql)")
    server = start_postgresql(tmp_path / "own")
    database = database_at(server.url)
    database.add_project()
    database.add_tasks(1)
    server.process.kill()  # as in a power cut
    server.process.wait()
    with pytest.raises(OperationalError):
        database.add_tasks(2)
    again = start_postgresql(tmp_path / "own", make_url(server.url).port)
    try:
        database.add_tasks(3)
        with database.reads() as session:
            assert session.scalars(select(TaskRow.task_id)).all() == [1, 3]
    finally:
        database.engine.dispose()
        end(again)


def test_a_connection_that_was_ended_is_replaced(database: Database) -> None:
    if database.engine.dialect.name == "sqlite":
        database.engine.dispose()
    else:
        other = make_engine(database.engine.url.render_as_string(hide_password=False))
        with other.connect() as connection:
            ended = connection.scalars(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).all()
        assert True in ended
        other.dispose()
    database.add_tasks(1, 2)
    with database.reads() as session:
        assert session.scalars(select(TaskRow.task_id)).all() == [1, 2]


def test_only_what_lost_against_another_transaction_is_run_again(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with pytest.raises(OperationalError) as lost, engine.connect() as connection:
        connection.execute(
            text("DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END $$")
        )
    assert lost_to_another(lost.value)
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 10"))
        with pytest.raises(OperationalError) as stopped:
            connection.execute(text("SELECT pg_sleep(5)"))
    assert not lost_to_another(stopped.value)
    engine.dispose()


def _answer(label: str) -> AnnotationRow:
    return AnnotationRow(
        project_id=PROJECT_ID,
        annotation_id=1,
        task_id=1,
        user_id=3,
        by_robot=False,
        label=label,
        result=[label],
        was_cancelled=False,
        ground_truth=False,
        created_at=NOW,
        updated_at=NOW,
        first_seen_at=NOW,
    )
