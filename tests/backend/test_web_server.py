"""``labelgate web`` as a real process on a real socket."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.settings import SettingsError
from backend.web import server
from connectors.loopback import free_port
from tests.fakes.web_project import PROJECT, task, web_project

WEB = (sys.executable, "-c", "from backend.commands.web import web; web()")


@dataclass
class Running:
    """A started server."""

    url: str
    process: subprocess.Popen[str]


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LABELGATE_")}
    return {
        **kept,
        "LABELGATE_DATA_DIR": str(folder),
        "LABELGATE_PORT": str(port),
        **{f"LABELGATE_{name}": value for name, value in more.items()},
    }


def failed(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(WEB, env=env, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    port = free_port()
    process = subprocess.Popen(
        WEB, env=environment(folder, port), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()  # it listens before it says so
        assert line == f"Labelgate listens on http://127.0.0.1:{port}\n"
        yield Running(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("web")
    project = web_project(folder)
    project.connect()
    project.promote("v1")
    with started(folder) as server:
        yield server


def test_it_answers_and_makes_its_secret(running: Running) -> None:
    assert httpx.get(f"{running.url}/health").json()["status"] == "UP"
    body = {"project": PROJECT, "tasks": [task(each) for each in range(1, 3001)]}
    answer = httpx.post(f"{running.url}/predict", json=body, timeout=100)
    assert len(answer.json()["results"]) == 3000


def test_fifty_megabytes_are_refused_and_the_server_lives(running: Running) -> None:
    with httpx.Client(timeout=60) as client:
        answer = client.post(f"{running.url}/predict", content=b" " * 50_000_000)
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "body_too_large"
        assert client.get(f"{running.url}/health").status_code == 200


def test_a_body_without_a_length_is_bounded_too(running: Running) -> None:
    chunks = (b" " * 1_000_000 for _ in range(50))
    answer = httpx.post(f"{running.url}/predict", content=chunks, timeout=60)
    assert answer.status_code == 413


def test_many_at_once_all_get_an_answer(running: Running) -> None:
    body = {"project": PROJECT, "tasks": [task(each) for each in range(1, 101)]}

    def ask(_turn: int) -> int:
        return httpx.post(f"{running.url}/predict", json=body, timeout=60).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {200}


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        httpx.get(f"{running.url}/health")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=30) == 0
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(running.url.rsplit(":", 1)[1])))


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = failed(environment(tmp_path, port))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port} (")
    assert "LABELGATE_PORT" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_beyond_loopback_it_wants_a_password(tmp_path: Path) -> None:
    env = environment(tmp_path, free_port(), HOST="0.0.0.0")  # noqa: S104 - must be refused
    ended = failed(env)
    assert ended.returncode == 1
    assert "LABELGATE_USERNAME" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(SettingsError, match="LABELGATE_HOST = 'no host'"):
        server.listen("no host", 9090)


def test_it_listens_on_ipv6_where_asked() -> None:
    listener = server.listen("::1", 0)
    assert listener.family == socket.AF_INET6
    listener.close()


def test_an_answer_never_waits_for_the_acknowledgement_of_its_headers() -> None:
    with (
        server.listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_is_loaded_is_looked_at_by_the_collector_no_more() -> None:
    held: list[list[int]] = [[] for _ in range(1_000)]
    before = gc.get_freeze_count()
    server.keep_loaded()
    try:
        assert gc.get_freeze_count() >= before + len(held)
        assert not any(each is held for each in gc.get_objects())
    finally:
        gc.unfreeze()
