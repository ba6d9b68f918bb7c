"""The line to a model's server: whatever comes back is an answer or one of two errors."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator

import pytest

from connectors.model_servers.circuit import FAILURES_TO_OPEN
from connectors.model_servers.server import (
    ATTEMPTS,
    ModelServer,
    ModelServerDownError,
    ModelServerError,
)
from tests.fakes.model_servers import (
    JSON,
    LOOPBACK,
    ModelServerOnLoopback,
    Reply,
    Request,
    reply,
    serving,
)


@pytest.fixture
def server() -> Iterator[ModelServerOnLoopback]:
    with serving(ModelServerOnLoopback({"/x": lambda _: reply({"ok": 1})})) as made:
        yield made


def line(server: ModelServerOnLoopback, credentials: str | None = None) -> ModelServer:
    return ModelServer(server.url, credentials, destinations=LOOPBACK, backoff_s=0.001)


def told(server: ModelServerOnLoopback, answer: Reply) -> str:
    server.answers["/x"] = lambda _: answer
    with pytest.raises(ModelServerError) as caught:
        line(server).ask("GET", "/x", timeout_s=5)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_one_connection_is_kept_for_all_questions(server: ModelServerOnLoopback) -> None:
    asking = line(server)
    for _ in range(5):
        assert asking.ask("POST", "/x", {"a": 1}, timeout_s=5) == {"ok": 1}
    assert len({request.connection for request in server.got}) == 1
    assert server.got[0].body == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Reply(b"<html>Log in</html>", kind="text/html"),
            "ModelServerError: answered with 'text/html', not with JSON",
        ),
        (Reply(b"[1, 2", kind=JSON), "ModelServerError: answered with what is no JSON"),
        (Reply(b"[" * 100_000, kind=JSON), "ModelServerError: answered with what is no JSON"),
        (Reply(b"", kind=JSON), "ModelServerError: answered with what is no JSON"),
        (Reply(b"<h1>Oops</h1>", 500, "text/html"), "ModelServerError: answered 500"),
        (
            Reply(b"no model\nloaded", 500, "text/plain"),
            "ModelServerError: answered 500: no model loaded",
        ),
        (Reply(b"", 302), "ModelServerError: answered 302"),
        (Reply(b"slow down", 429), "_PassingError: answered 429: slow down"),
    ],
)
def test_what_cannot_be_used_is_told(
    server: ModelServerOnLoopback, answer: Reply, message: str
) -> None:
    assert told(server, answer) == message


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_tried_again(server: ModelServerOnLoopback, status: int) -> None:
    answers = iter([Reply(b"", status), Reply(b"", status), reply({"ok": 2})])
    server.answers["/x"] = lambda _: next(answers)
    assert line(server).ask("GET", "/x", timeout_s=5) == {"ok": 2}


def test_an_error_of_the_model_is_not_asked_for_twice(server: ModelServerOnLoopback) -> None:
    told(server, Reply(b"", 500))
    assert len(server.got) == 1


def test_no_answer_is_waited_for_no_longer_than_said(server: ModelServerOnLoopback) -> None:
    server.held.clear()
    with pytest.raises(ModelServerDownError, match=r"^did not answer within 0\.2 s$"):
        line(server).ask("GET", "/x", timeout_s=0.2)
    assert len(server.got) == 1  # it has taken long enough


def test_an_answer_without_an_end_is_cut(
    server: ModelServerOnLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.model_servers.server.LARGEST_ANSWER", 1 << 20)
    message = told(server, Reply(b" " * 65536, endless=True))
    assert message == "ModelServerError: answered with more than 1 MB"


def test_a_small_answer_that_unpacks_to_a_large_one_is_cut(
    server: ModelServerOnLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.model_servers.server.LARGEST_ANSWER", 1 << 20)
    bomb = gzip.compress(b" " * (8 << 20))
    server.answers["/x"] = lambda _: Reply(bomb, kind=f"{JSON}\r\nContent-Encoding: gzip")
    with pytest.raises(ModelServerError, match="more than 1 MB"):
        line(server).ask("GET", "/x", timeout_s=5)


def test_a_server_that_is_not_there_is_tried_and_then_left_alone() -> None:
    with serving(ModelServerOnLoopback({})) as gone:
        url = gone.url
    asking = ModelServer(url, destinations=LOOPBACK, backoff_s=0.001)
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(ModelServerDownError, match=r"^cannot be reached: ConnectError$"):
            asking.ask("GET", "/x", timeout_s=5)
    with pytest.raises(
        ModelServerDownError,
        match=r"^is not asked for now, after 3 failures in a row; the last one: cannot be reached",
    ):
        asking.ask("GET", "/x", timeout_s=5)


def test_an_open_circuit_costs_the_server_nothing(server: ModelServerOnLoopback) -> None:
    server.answers["/x"] = lambda _: Reply(b"", 503)
    asking = line(server)
    for _ in range(FAILURES_TO_OPEN + 5):
        with pytest.raises(ModelServerDownError):
            asking.ask("GET", "/x", timeout_s=5)
    assert len(server.got) == FAILURES_TO_OPEN * ATTEMPTS


@pytest.mark.parametrize(
    ("credentials", "header"), [("me:secret", "Basic bWU6c2VjcmV0"), ("tok-123", "Bearer tok-123")]
)
def test_credentials_go_out_and_never_come_back(
    server: ModelServerOnLoopback, credentials: str, header: str
) -> None:
    def echo(request: Request) -> Reply:
        return Reply(f"refused {request.headers['Authorization']}".encode(), 401, "text/plain")

    server.answers["/x"] = echo
    with pytest.raises(ModelServerError) as caught:
        line(server, credentials).ask("GET", "/x", timeout_s=5)
    assert server.got[0].headers["Authorization"] == header
    assert str(caught.value) == "answered 401"


def test_what_cannot_be_written_as_json_is_no_crash(server: ModelServerOnLoopback) -> None:
    with pytest.raises(ModelServerError, match="no exchange with it"):
        line(server).ask("POST", "/x", {"text": "\ud800"}, timeout_s=5)


def test_threads_share_what_is_known_of_a_server(server: ModelServerOnLoopback) -> None:
    server.answers["/x"] = lambda _: Reply(b"", 503)
    asking, together = line(server), 8
    start, told = threading.Barrier(together), list[str]()

    def ask() -> None:
        start.wait(10)
        for _ in range(10):
            try:
                asking.ask("GET", "/x", timeout_s=5)
            except ModelServerDownError as error:
                told.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) == 10 * together
    # Those that had begun when it opened may end; nobody begins after that.
    assert len(server.got) <= ATTEMPTS * (FAILURES_TO_OPEN - 1 + together)
    assert asking.circuit.state.opened_at is not None
    assert asking.circuit.state.failures == sum(each == "answered 503" for each in told)
