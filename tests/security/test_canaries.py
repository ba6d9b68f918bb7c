"""Secrets: each setting holds a canary, all goes wrong that can, and none is heard anywhere."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from flask import Flask

from audit_jobs.jobs import JOBS
from audit_jobs.running import JobFailedError, run_job
from backend import accounts
from backend.accounts import WantedLink
from backend.app import create_app
from backend.bootstrap import build_runtime
from backend.runtime import Runtime
from backend.secret_files import SECRET_FILES
from backend.settings import Settings
from backend.store.accounts import ADMIN
from backend.store.alerts import Alert, store_alert
from backend.store.projects import active_project
from labelgate import main
from tests.fakes.visitors import HTML, quick_passwords, secret_on
from tests.fakes.web_project import POLICY, PROJECT, WebProject, task, web_project

MARK = "7f3a91c4"
__all__ = ["quick_passwords"]


def canary(name: str) -> str:
    return f"canary-{name}-{MARK}"


class Echo(ThreadingHTTPServer):
    """Refuses everything, with all that it was sent in its words, as proxies and debug pages do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EchoHandler)
        self.status, self.kind = 401, "application/json"
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0


class _EchoHandler(BaseHTTPRequestHandler):
    server: Echo

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8")
        said = f"{self.path} {self.headers.get('Authorization')} {self.headers} {body}"
        content = (json.dumps({"detail": said}) if "json" in self.server.kind else said).encode()
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        del format, args


@dataclass
class Heard:
    """All that was said anywhere, with where."""

    said: list[tuple[str, str]] = field(default_factory=list)
    hidden: tuple[str, ...] = ()

    def add(self, where: str, text: str) -> None:
        self.said.append((where, text))

    def leaks(self) -> list[str]:
        """Where a canary was heard, and the words around it."""
        return [
            f"{where}: ...{line[max(0, line.find(each) - 150) : line.find(each) + 40]!r}"
            for where, text in self.said
            for line in text.splitlines()
            for each in (MARK, *self.hidden)
            if each in line
        ]


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def settings_of(folder: Path, url: str) -> dict[str, object]:
    """Every setting that is a secret, with a canary; ``test_no_secret_has_no_canary`` holds it."""
    return {
        "data_dir": folder,
        "label_studio_url": url,
        "label_studio_token": canary("admin"),
        "robot_token": canary("robot"),
        "webhook_secret": canary("webhook"),
        "username": "gate",
        "password": canary("password"),
        "llm_url": f"{url}/v1",
        "llm_key": canary("llm"),
        "upstream_credentials": {"yolo": f"user:{canary('upstream')}"},
        "alert_slack_url": f"{url}/services/{canary('slack')}",
        "alert_webhook_url": f"{url}/hook?key={canary('hook')}",
        "alert_webhook_secret": canary("signing"),
        "alert_smtp_url": f"smtp://user:{canary('smtp')}@127.0.0.1:9",
        "alert_email_from": "gate@example.com",
        "alert_email_to": "ops@example.com",
        "database_url": f"sqlite:///{folder / 'labelgate.db'}",
        "redis_url": f"redis://:{canary('redis')}@127.0.0.1:9/0",
    }


@dataclass
class Stage:
    runtime: Runtime
    app: Flask
    heard: Heard
    environment: dict[str, str]
    made: WebProject


@pytest.fixture
def stage(
    tmp_path: Path,
    echo: Echo,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    quick_passwords: None,
) -> Stage:
    del quick_passwords
    caplog.set_level(logging.DEBUG)
    values = settings_of(tmp_path / "data", echo.url)
    made = web_project(tmp_path / "data", **values)
    model = f"\nmodel: {{kind: upstream, url: '{echo.url}', credentials: yolo}}\n"
    made.connect(policy=POLICY + model)
    made.connect(2, policy=POLICY.replace("project: web", "project: llm") + _LLM)
    for name, value in made.runtime.settings.process_environment().items():
        monkeypatch.setenv(name, value)
    pair = f"user:{canary('upstream')}", f"gate:{canary('password')}"
    hidden = tuple(base64.b64encode(each.encode()).decode() for each in pair)
    runtime = build_runtime(made.runtime.settings)
    return Stage(
        runtime=runtime,
        app=create_app(runtime),
        heard=Heard(hidden=hidden),
        environment=made.runtime.settings.process_environment(),
        made=made,
    )


_LLM = "\nmodel: {kind: llm, model: small, price_per_million_tokens: {input: 1, output: 1}}\n"


def work(stage: Stage) -> None:
    """Every job of both projects, with alerts to tell."""
    for project_id in (1, 2):
        now = stage.runtime.now()
        alert = Alert(name="stalled", about="x", opened=True, says="x", detail={}, made_at=now)
        with stage.runtime.sessions.begin() as session:
            store_alert(session, project_id, alert)
            project = active_project(session, project_id)
        assert project is not None
        for name in JOBS:
            try:
                stage.heard.add(name, repr(run_job(stage.runtime, name, project)))
            except JobFailedError as error:
                stage.heard.add(name, str(error))


def visit(stage: Stage) -> None:
    """Every page, wrong ways to prove oneself included."""
    right: dict[str, Any] = {"auth": ("gate", canary("password"))}
    client = stage.app.test_client()
    for rule in stage.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()):
            continue
        path = rule.build(dict.fromkeys(rule.arguments, 1), append_unknown=False)
        assert path is not None
        for headers in ({}, HTML):
            answer = client.get(path[1], headers=headers, **right)
            stage.heard.add(path[1], answer.text + str(answer.headers))
            answer.close()
    body = {"project": PROJECT, "tasks": [task(1)]}
    setup = {"project": PROJECT, "access_token": canary("access"), "schema": "<View/>"}
    bodies = (("/predict", body), ("/setup", setup), ("/setup", setup | {"schema": None}))
    for asked, sent in bodies:
        stage.heard.add(asked, client.post(asked, json=sent, **right).text)
    wrong = {"X-Labelgate-Secret": canary("webhook") + "x"}
    stage.heard.add("/webhook", client.post("/webhook", json=body, headers=wrong).text)
    stage.heard.add("/share", client.get(f"/share/{canary('link')}", headers=HTML).text)
    form = client.get("/sign-in")
    typed = {"csrf": secret_on(form), "name": "ann", "password": canary("typed")}
    stage.heard.add("/sign-in", client.post("/sign-in", data=typed, headers=HTML).text)


COMMANDS = [
    ["doctor", "--json"],
    ["alerts", "test"],
    ["projects"],
    ["accounts", "list"],
    ["share", "list"],
    ["connect", "--project", "3", "--policy", "POLICY"],
    ["policy", "apply", "POLICY", "--project", "1"],
    ["jobs", "run", "route", "--project", "1"],
    ["jobs", "run", "sync"],
    ["models", "list", "--project", "1"],
    ["report", "--project", "1", "--format", "json"],
    ["disconnect", "--project", "1"],
]


def command(stage: Stage, folder: Path) -> None:
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    for words in COMMANDS:
        given = [str(policy) if each == "POLICY" else each for each in words]
        result = CliRunner().invoke(main, given)
        assert not isinstance(result.exception, TypeError), words
        stage.heard.add(" ".join(words), result.output + repr(result.exception))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "application/json"),
        pytest.param(500, "application/json", marks=pytest.mark.long),
        pytest.param(200, "text/html", marks=pytest.mark.long),
        pytest.param(302, "text/plain", marks=pytest.mark.long),
    ],
)
def test_no_secret_is_in_logs_pages_errors_rows_or_files(
    stage: Stage, echo: Echo, caplog: pytest.LogCaptureFixture, status: int, kind: str
) -> None:
    echo.status, echo.kind = status, kind
    runtime, heard = stage.runtime, stage.heard
    accounts.add(runtime, "ann", ADMIN, canary("account"), "the test")
    tokens = [accounts.new_token(runtime, "ann", "", "the test")]
    wanted = WantedLink(project_id=1, days=7, note="")
    tokens.append(accounts.share(runtime, wanted, "the test")[1].rpartition("/")[2])
    work(stage)
    visit(stage)
    if status == 401:
        command(stage, stage.runtime.settings.data_dir.parent)
    heard.add("settings", f"{runtime.settings!r} {runtime.settings} {runtime!r}")
    heard.add("log", caplog.text)
    for file in sorted(runtime.settings.data_dir.rglob("*")):
        if file.is_file() and not any(file.match(each) for each in SECRET_FILES):
            heard.add(file.name, file.read_bytes().decode("latin-1"))
    heard.hidden += tuple(tokens)
    assert echo.asked > 5, "nothing was asked: what is tested?"
    leaks = heard.leaks()
    assert not leaks, "\n".join(leaks)


def test_no_secret_has_no_canary(tmp_path: Path) -> None:
    given = settings_of(tmp_path, "http://127.0.0.1:9")
    secret = {
        name for name, each in Settings.model_fields.items() if "Secret" in str(each.annotation)
    }
    assert len(secret) > 8
    without = {name for name in secret if MARK not in str(given.get(name))}
    assert without == {"database_url"}, "the next test has it"


def test_a_database_that_is_away_says_nothing_of_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard = Heard()
    for url in (
        f"postgresql://gate:{canary('database')}@127.0.0.1:9/gate",
        f"postgresql://gate:{quote(canary('database') + '@/')}@127.0.0.1:9/gate",
        f"nosuch://gate:{canary('database')}@127.0.0.1:9/gate",
        f"postgresql://gate:{canary('database')}@127.0.0.1:port/gate",
        f"not a url {canary('database')}",
    ):
        monkeypatch.setenv("LABELGATE_DATABASE_URL", url)
        monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
        for words in (["doctor", "--json"], ["projects"], ["jobs", "run", "route"]):
            result = CliRunner().invoke(main, words)
            assert result.exit_code != 0
            heard.add(f"{words} {url[:10]}", result.output + repr(result.exception))
    heard.add("log", caplog.text)
    leaks = heard.leaks()
    assert not leaks, "\n".join(leaks)
