from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from backend.bootstrap import build_runtime, read_settings
from backend.readiness import FRESH_S, Lookout, Readiness, look
from backend.settings import Settings, SettingsError
from backend.store.engine import make_engine, make_sessions
from backend.store.schema import SchemaError
from labelgate import main
from tests.fakes.migrated import migrated_engine
from tests.fakes.web_project import web_project

NOWHERE = "postgresql+psycopg://labelgate:hidden-password@127.0.0.1:1/labelgate"
HEAD = "SELECT version_num FROM alembic_version"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("LABELGATE_DATABASE_URL", raising=False)
    return tmp_path


def set_schema(folder: Path, revision: str) -> None:
    engine = make_engine(f"sqlite:///{folder / 'labelgate.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


def test_ready_is_answered_to_anybody_by_any_name(tmp_path: Path) -> None:
    project = web_project(tmp_path, username="ls", password="a password of the test")
    answer = project.app().test_client().get("/ready", headers={"Host": "10.2.3.4:9090"})
    assert answer.status_code == 200
    with project.runtime.reads() as session:
        head = session.execute(text(HEAD)).scalar_one()
    assert answer.get_json() == {"status": "READY", "schema": head}


def test_a_database_from_the_future_is_not_ready_but_alive(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    set_schema(tmp_path, "9999")
    client = project.app().test_client()
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.get_json()["error"]["code"] == "not_ready"
    assert "9999" in answer.get_json()["error"]["message"]
    assert client.get("/health").status_code == 200


def test_a_database_that_is_away_is_not_ready_and_its_address_stays_inside() -> None:
    _, reads = make_sessions(make_engine(NOWHERE))
    assert look(reads) == Readiness(problem="the database does not answer")


def test_many_probes_at_once_are_one_look() -> None:
    clock, looks = [100.0], 0
    entered, leave = threading.Event(), threading.Event()

    def slow() -> Readiness:
        nonlocal looks
        looks += 1
        entered.set()
        assert leave.wait(20)
        return Readiness(schema="1")

    lookout = Lookout(slow, clock=lambda: clock[0], patience_s=20)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(lookout.now) for _ in range(8)]
        assert entered.wait(20)
        leave.set()
        assert {each.result(20).schema for each in asked} == {"1"}
    assert looks == 1
    clock[0] += FRESH_S
    lookout.now()
    assert looks == 2


def test_a_look_that_hangs_holds_one_thread_only() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hangs() -> Readiness:
        entered.set()
        assert leave.wait(20)
        return Readiness(schema="1")

    lookout = Lookout(hangs, patience_s=0.01)
    holder = threading.Thread(target=lookout.now)
    holder.start()
    assert entered.wait(20)
    try:
        assert lookout.now().problem == "the database has not answered for 0.01 s"
    finally:
        leave.set()
        holder.join(20)
    assert lookout.now().is_ready


def test_commands_say_ready_after_migrate_and_not_before(data: Path) -> None:
    before = CliRunner().invoke(main, ["ready", "--json"])
    assert before.exit_code == 1
    assert "labelgate migrate" in json.loads(before.stdout)["problem"]
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 0
    after = CliRunner().invoke(main, ["ready", "--json"])
    assert after.exit_code == 0
    assert json.loads(after.stdout)["ready"] is True
    assert (data / "labelgate.db").exists()


@pytest.mark.parametrize("command", ["ready", "migrate"])
def test_a_database_that_never_comes_ends_the_wait(
    data: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("LABELGATE_DATABASE_URL", NOWHERE)
    ended = CliRunner().invoke(main, [command, "--wait", "0"])
    assert ended.exit_code in {1, 3}
    assert "hidden-password" not in ended.output
    assert not list(data.iterdir())


def test_a_web_process_that_is_not_there_is_not_ready(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELGATE_PORT", "1")
    ended = CliRunner().invoke(main, ["ready", "--web"])
    assert ended.exit_code == 1
    assert "nothing of Labelgate answers on port 1" in ended.output
    assert not list(data.iterdir())


def test_without_migration_at_start_another_schema_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, migrate_at_start=False)
    with pytest.raises(SchemaError, match="labelgate migrate"):
        build_runtime(settings)
    migrated_engine(settings.store_url).dispose()
    build_runtime(settings)
    set_schema(tmp_path, "9999")
    with pytest.raises(SchemaError, match="install the version that wrote it"):
        build_runtime(settings)


def test_secrets_come_from_mounted_files_and_variables_go_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labelgate_password").write_text("from the file\n", encoding="utf-8")
    (tmp_path / "labelgate_username").write_text("ls", encoding="utf-8")
    monkeypatch.setenv("LABELGATE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LABELGATE_USERNAME", "given")
    settings = read_settings()
    assert settings.credentials == ("given", "from the file")
    assert "from the file" not in repr(settings)
    assert settings.process_environment()["LABELGATE_PASSWORD"] == "from the file"


def test_a_folder_of_secrets_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_SECRETS_DIR", "/no/such/folder")
    with pytest.raises(SettingsError, match=r"LABELGATE_SECRETS_DIR = '/no/such/folder'"):
        read_settings()


def test_people_and_label_studio_may_use_other_addresses() -> None:
    plain = Settings(public_url="https://gate.example", label_studio_url="http://ls:8080")
    assert plain.called_url == plain.own_url == "https://gate.example"
    assert plain.label_studio_pages == "http://ls:8080"
    apart = Settings(
        public_url="https://gate.example",
        internal_url="http://web:9090",
        label_studio_url="http://ls:8080",
        label_studio_public_url="https://labels.example/",
    )
    assert (apart.own_url, apart.called_url) == ("https://gate.example", "http://web:9090")
    assert apart.label_studio_pages == "https://labels.example"


def test_a_postgresql_at_the_newest_schema_is_ready(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    _, reads = make_sessions(engine)
    assert look(reads).is_ready
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer than this program" in str(look(reads).problem)
    engine.dispose()
