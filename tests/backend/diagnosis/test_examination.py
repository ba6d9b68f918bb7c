"""The whole examination where Label Studio is not there, is another server, or cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.diagnosis.examination import examine
from backend.diagnosis.findings import Finding, Verdict
from backend.settings import Settings
from connectors.label_studio.inspection import Trouble, greet
from labelgate import main
from tests.fakes.failing_server import FailingServer, running
from tests.fakes.migrated import migrated_engine


@pytest.fixture
def server() -> Iterator[FailingServer]:
    made = FailingServer()
    thread = running(made)
    yield made
    made.stop(thread)
    made.server_close()


def _settings(folder: Path, url: str = "http://127.0.0.1:1") -> Settings:
    return Settings(data_dir=folder, label_studio_url=url, label_studio_token="0" * 40, port=1)


def _of(found: list[Finding], topic: str, check: str) -> Finding:
    return next(each for each in found if (each.topic, each.check) == (topic, check))


def test_a_server_that_is_down_leaves_the_rest_unchecked(tmp_path: Path) -> None:
    migrated_engine(_settings(tmp_path).store_url).dispose()

    found = list(examine(_settings(tmp_path), deep=True))

    down = _of(found, "Label Studio", "reachable")
    assert down.verdict is Verdict.FAILED
    assert "nothing listens there" in down.saw
    assert _of(found, "tokens", "admin token").verdict is Verdict.NOT_CHECKED
    assert _of(found, "connection", "projects").verdict is Verdict.NOT_CHECKED
    assert _of(found, "database", "schema").verdict is Verdict.OK
    assert not (tmp_path / "webhook.secret").exists()  # it only looks


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((200, "text/html", "<html>a shop</html>"), "not as Label Studio does"),
        ((302, "https://elsewhere.example/login", ""), "redirects to https://elsewhere.example"),
    ],
)
def test_another_server_at_the_address_is_told(
    server: FailingServer, tmp_path: Path, answer: tuple[int, str, str], word: str
) -> None:
    server.tell(answer)

    found = list(examine(_settings(tmp_path, server.url)))

    assert word in _of(found, "Label Studio", "reachable").saw
    assert all(authorization is None for _, _, authorization in server.asked)


def test_an_unknown_name_and_plain_http_where_tls_is_asked_for_are_told_apart(
    server: FailingServer,
) -> None:
    server.tell((200, "application/json", "{}"))
    now = datetime.now(UTC)

    unknown = greet("http://nowhere.invalid", lambda: now, timeout_s=5)
    plain = greet(server.url.replace("http://", "https://"), lambda: now, timeout_s=5)

    assert unknown.trouble is Trouble.NAME
    assert plain.trouble is Trouble.TLS


def test_a_database_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "labelgate.db").write_bytes(b"this is no database at all" * 100)

    found = list(examine(_settings(tmp_path)))

    broken = _of(found, "database", "reachable")
    assert broken.verdict is Verdict.FAILED
    assert "not a database" in broken.saw


def test_a_database_url_without_a_driver_is_told(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url="nosuch://x", label_studio_url="http://127.0.0.1:1"
    )

    found = list(examine(settings))

    assert _of(found, "database", "reachable").verdict is Verdict.FAILED


def test_settings_that_cannot_be_read_end_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_PORT", "many")

    ended = CliRunner().invoke(main, ["doctor", "--json"])

    assert ended.exit_code == 1
    told = json.loads(ended.stdout)
    assert told["ok"] is False
    assert "LABELGATE_PORT" in told["findings"][0]["saw"]


def test_quiet_says_what_failed_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LABELGATE_LABEL_STUDIO_URL", "http://127.0.0.1:1")

    ended = CliRunner().invoke(main, ["--quiet", "doctor"])

    assert ended.exit_code == 1
    assert "FAILED" in ended.stdout
    assert " ok " not in ended.stdout
