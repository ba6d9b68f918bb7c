"""A backup of either engine, restored on either: the same rows, models and ledgers."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, select, text

from backend.backups.archive import BackupError, open_archive
from backend.backups.making import BackupReport, make_backup
from backend.backups.restoring import RestoreReport, restore_backup
from backend.settings import Settings
from backend.store.columns import Base
from backend.store.embeddings import store_embeddings
from backend.store.engine import make_engine, make_sessions
from backend.store.leases import take_lease
from backend.store.ledger import Grounds, append_decisions
from backend.store.ledger_check import verify_ledger
from backend.store.models import CHAMPION, ModelVersion, store_version
from backend.store.reports import Report, store_report
from backend.store.schema import _config, schema_state
from backend.store.tables import DecisionRow
from tests.fakes.databases import NOW, PROJECT_ID, Database, database_at
from tests.fakes.decisions import ACCEPTED
from tests.real_servers import new_database

ENGINES = ("sqlite", "postgresql")
SECRET = "Canary-of-the-robot"


def quiet(_part: str) -> None:
    """Nobody watches."""


class Places:
    """Settings with a folder and a database of their own, on the engine that is asked for."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self._folder = folder
        self._request = request
        self._made = 0

    def new(self, engine: str) -> Settings:
        self._made += 1
        folder = self._folder / f"place{self._made}"
        folder.mkdir()
        if engine == "sqlite":
            return Settings(data_dir=folder)
        server = self._request.getfixturevalue("postgresql_server")
        made = new_database(server)
        url = made.__enter__()
        self._request.addfinalizer(lambda: made.__exit__(None, None, None))
        return Settings(data_dir=folder, database_url=url)


@pytest.fixture
def places(tmp_path: Path, request: pytest.FixtureRequest) -> Places:
    return Places(tmp_path, request)


def filled(settings: Settings) -> Database:
    """A database with something of every type of column, and two model files."""
    database = database_at(settings.store_url)
    database.add_project()
    database.add_tasks(*range(1, 40), 2**62)
    grounds = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)
    decisions = [
        replace(
            ACCEPTED, task_id=each, label=f"λ {each}", score=each / 7, signals={"m": 0.1 + each}
        )
        for each in range(1, 40)
    ]
    with database.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, decisions, grounds, NOW)
        store_report(session, PROJECT_ID, _report())
        for number, path in enumerate(("1/v1-ab.skops", ""), start=1):
            store_version(session, PROJECT_ID, _version(number, path), NOW)
        store_embeddings(session, "encoder", {b"h" * 32: bytes(range(256))}, NOW)
    (settings.models_dir / "1").mkdir(parents=True)
    (settings.models_dir / "1" / "v1-ab.skops").write_bytes(os.urandom(3_000_000))
    (settings.models_dir / "1" / ".draft.skops.ff").write_bytes(b"half")
    (settings.data_dir / "robot.token").write_text(SECRET)
    return database


def _report() -> Report:
    return Report(kind="agreement", model_version=None, body={"é": [1, None, 0.1]}, made_at=NOW)


def _version(number: int, path: str) -> ModelVersion:
    return ModelVersion(
        version=f"v{number}",
        number=number,
        path=path,
        sha256="0" * 64,
        labels=("A", "B"),
        state=CHAMPION,
        verdict={},
        lineage={},
        trained_at=NOW,
        promoted_at=NOW,
    )


def contents(engine: Engine) -> dict[str, list[Any]]:
    """Every row of every table, as the tables' own types read them."""
    with engine.connect() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in {"installations", "leases", "web_sessions", "work_chunks"}
        }


def backed_up(settings: Settings, engine: Engine, file: Path) -> BackupReport:
    return make_backup(settings, engine, file, NOW, quiet)


def restored(
    settings: Settings, file: Path, *, replace: bool = False
) -> tuple[Engine, RestoreReport]:
    engine = make_engine(settings.store_url)
    try:
        return engine, restore_backup(settings, engine, file, replace=replace, told=quiet)
    except BackupError:
        engine.dispose()
        raise


def rows_planned_for(engine: Engine, table: str) -> int | None:
    """How many rows PostgreSQL's planner knows of; SQLite's plans by the schema alone."""
    if engine.dialect.name == "sqlite":
        return None
    known = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
    with engine.connect() as connection:
        return int(connection.execute(known, {"name": table}).scalar_one())


@pytest.mark.parametrize("target", ENGINES)
@pytest.mark.parametrize("source", ENGINES)
def test_what_comes_back_is_what_was_there(
    places: Places, tmp_path: Path, source: str, target: str
) -> None:
    here, there = places.new(source), places.new(target)
    database = filled(here)
    made = backed_up(here, database.engine, tmp_path / "b.zip")
    assert made.rows["decisions"] == 39
    assert (made.models, made.left_out) == (1, ["robot.token"])
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []

    engine, report = restored(there, tmp_path / "b.zip")
    assert contents(engine) == contents(database.engine)
    assert report.ledgers == {PROJECT_ID: 39}
    assert report.rows == made.rows
    assert rows_planned_for(engine, "decisions") == (39 if target == "postgresql" else None)
    name = Path("1") / "v1-ab.skops"
    assert (there.models_dir / name).read_bytes() == (here.models_dir / name).read_bytes()
    assert [each.name for each in there.models_dir.rglob("*") if each.is_file()] == [name.name]
    # It goes on from there: new rows get new numbers, the chain its next entry.
    sessions, reads = make_sessions(engine)
    with sessions.begin() as session:
        store_report(session, PROJECT_ID, _report())
        grounds = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)
        append_decisions(session, PROJECT_ID, [replace(ACCEPTED, task_id=2**62)], grounds, NOW)
    with reads() as session:
        assert verify_ledger(session, PROJECT_ID).entries == 40
    engine.dispose()
    database.engine.dispose()


def test_no_secret_is_in_it(places: Places, tmp_path: Path) -> None:
    settings = places.new("sqlite").model_copy(
        update={"password": Settings(password=SECRET).password}
    )
    database = filled(settings)
    backed_up(settings, database.engine, tmp_path / "b.zip")
    with open_archive(tmp_path / "b.zip") as archive:
        assert archive.manifest.left_out == ["robot.token", "LABELGATE_PASSWORD"]
        for name in archive.manifest.members:
            assert SECRET.encode() not in b"".join(archive.chunks(name))
    database.engine.dispose()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_database_that_holds_something_is_refused_unless_told(
    places: Places, tmp_path: Path, engine: str
) -> None:
    here, there = places.new("sqlite"), places.new(engine)
    database, other = filled(here), filled(there)
    backed_up(here, database.engine, tmp_path / "b.zip")
    for each in there.models_dir.rglob("*.skops"):
        each.unlink()
    before = contents(other.engine)
    with pytest.raises(BackupError, match="the database is not empty"):
        restored(there, tmp_path / "b.zip")
    assert contents(other.engine) == before
    other.engine.dispose()
    with other.sessions.begin() as session:
        session.execute(text("DELETE FROM decisions"))
    made, _ = restored(there, tmp_path / "b.zip", replace=True)
    assert contents(made) == contents(database.engine)
    for used in (made, database.engine, other.engine):
        used.dispose()


def test_models_stay_as_they_were_where_one_of_a_backups_cannot_be_written(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = places.new("sqlite"), places.new("sqlite")
    database, other = filled(here), filled(there)
    (here.models_dir / "1" / "v2-cd.skops").write_bytes(b"another")
    backed_up(here, database.engine, tmp_path / "b.zip")
    model = there.models_dir / "1" / "v1-ab.skops"
    before, rows = model.read_bytes(), contents(other.engine)
    other.engine.dispose()
    written: list[int] = []

    def full(number: int) -> None:
        written.append(number)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("backend.backups.restoring.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        restored(there, tmp_path / "b.zip", replace=True)
    assert model.read_bytes() == before
    assert contents(other.engine) == rows
    for each in (database.engine, other.engine):
        each.dispose()


def test_a_database_that_somebody_works_with_is_refused(places: Places, tmp_path: Path) -> None:
    here, there = places.new("sqlite"), places.new("sqlite")
    database, other = filled(here), database_at(there.store_url)
    backed_up(here, database.engine, tmp_path / "b.zip")
    with other.sessions.begin() as session:
        take_lease(session, "scheduler", "somebody", datetime.now(UTC), 60)
    with pytest.raises(BackupError, match="it holds the lease 'scheduler'"):
        restored(there, tmp_path / "b.zip")
    for each in (database.engine, other.engine):
        each.dispose()


WRITING = """
import sys
from dataclasses import replace
from backend.store.engine import make_engine, make_sessions
from backend.store.ledger import Grounds, append_decisions
from tests.fakes.databases import NOW
from tests.fakes.decisions import ACCEPTED

sessions, _ = make_sessions(make_engine(sys.argv[1]))
grounds = Grounds(model_version="v1", policy_hash="policy-1", certificate_id=None)
print("ready", flush=True)
while True:
    with sessions.begin() as session:
        append_decisions(session, 1, [replace(ACCEPTED, task_id=1)] * 3, grounds, NOW)
"""


@pytest.mark.parametrize("source", ENGINES)
def test_a_backup_is_one_moment_while_another_process_writes(
    places: Places, tmp_path: Path, source: str
) -> None:
    here, there = places.new(source), places.new("sqlite")
    database = filled(here)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITING, here.store_url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        made = [backed_up(here, database.engine, tmp_path / f"{n}.zip") for n in range(3)]
    finally:
        writer.kill()
        writer.communicate()
    entries = [each.rows["decisions"] for each in made]
    assert entries == sorted(entries)
    assert entries[-1] > 39
    assert all(each % 3 == 0 for each in entries)  # whole transactions alone
    engine, report = restored(there, tmp_path / "2.zip")
    assert report.ledgers == {PROJECT_ID: entries[-1]}
    engine.dispose()
    database.engine.dispose()


def test_a_ledger_that_does_not_hold_is_not_restored(places: Places, tmp_path: Path) -> None:
    here, there = places.new("sqlite"), places.new("sqlite")
    database = filled(here)
    with database.sessions.begin() as session:
        session.get_one(DecisionRow, (PROJECT_ID, 5)).label = "another"
    backed_up(here, database.engine, tmp_path / "b.zip")
    with pytest.raises(BackupError, match=r"the ledger of project 1 does not hold \(its content"):
        restored(there, tmp_path / "b.zip")
    engine = make_engine(there.store_url)
    with engine.connect() as connection:
        assert schema_state(connection).current is None
    assert not list(there.models_dir.rglob("*.skops"))
    engine.dispose()
    database.engine.dispose()


def test_an_older_backup_is_brought_up_to_date(places: Places, tmp_path: Path) -> None:
    here, there = places.new("sqlite"), places.new("postgresql")
    database = filled(here)
    with database.engine.begin() as connection:
        command.downgrade(_config(connection), "0012")
    assert backed_up(here, database.engine, tmp_path / "b.zip").schema == "0012"
    engine, report = restored(there, tmp_path / "b.zip")
    with engine.connect() as connection:
        state = schema_state(connection)
        assert state.current == state.head
    assert report.ledgers == {PROJECT_ID: 39}
    engine.dispose()
    database.engine.dispose()
