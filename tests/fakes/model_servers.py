"""Model servers on loopback: an ML backend and a chat endpoint, well-behaved or as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connectors.destinations import Destinations, allowed_of

JSON = "application/json"
LOOPBACK = Destinations(allowed=allowed_of("127.0.0.1"))


@dataclass
class Reply:
    """What a server sends: the status, the bytes, and what it says that they are."""

    body: bytes
    status: int = 200
    kind: str = JSON
    endless: bool = False


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(body=json.dumps(body).encode(), status=status)


Answering = Callable[[Request], Reply]


class ModelServerOnLoopback(ThreadingHTTPServer):
    """Answers by ``answers``, path by path; holds its answers while ``held`` is not set."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers: dict[str, Answering]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.got: list[Request] = []
        self.held = threading.Event()
        self.held.set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def asked(self, path: str) -> list[Request]:
        return [each for each in self.got if each.path == path]


class _Handler(BaseHTTPRequestHandler):
    server: ModelServerOnLoopback
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go apart: the body would wait 40 ms

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        request = Request(
            method=self.command,
            path=self.path,
            headers=dict(self.headers),
            body=json.loads(content) if content else None,
            connection=self.client_address[1],
        )
        self.server.got.append(request)
        self.server.held.wait(30)
        found = self.server.answers.get(self.path)
        told = Reply(b"no such page", 404, "text/plain") if found is None else found(request)
        with suppress(OSError):  # whoever asked may be gone
            self._send(told)

    def _send(self, told: Reply) -> None:
        self.send_response(told.status)
        self.send_header("Content-Type", told.kind)
        if told.endless:
            self.close_connection = True
            self.end_headers()
            while True:  # until the other side has had enough
                self.wfile.write(told.body)
        self.send_header("Content-Length", str(len(told.body)))
        self.end_headers()
        self.wfile.write(told.body)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        del format, args


@contextmanager
def serving(server: ModelServerOnLoopback) -> Iterator[ModelServerOnLoopback]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.held.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@dataclass
class Backend:
    """An ML backend that says "A" for a text with an a, else "B"; parts of it can be replaced."""

    version: str | None = "mv-1"
    entry: Callable[[dict[str, Any]], Any] | None = None
    predict: Answering | None = None
    others: dict[str, Answering] = field(default_factory=dict)

    def answers(self) -> dict[str, Answering]:
        return {
            "/health": lambda _: reply({"status": "UP"}),
            "/setup": lambda _: reply({"model_version": self.version}),
            "/predict": self.predict or self._predict,
            "/webhook": lambda _: Reply(b"", 201, "text/plain"),
        } | self.others

    def _predict(self, request: Request) -> Reply:
        entry = self.entry or said
        return reply({"results": [entry(task) for task in request.body["tasks"]]})


def choice(label: Any, score: Any = 0.9, **more: Any) -> dict[str, Any]:
    item = {"from_name": "label", "to_name": "text", "type": "choices"}
    return {"result": [item | {"value": {"choices": [label]}}], "score": score} | more


def said(task: dict[str, Any]) -> dict[str, Any]:
    """Surer of longer texts."""
    text = str(task["data"]["text"])
    return choice("A" if "a" in text else "B", min(0.99, 0.5 + len(text) / 50))


@contextmanager
def backend(made: Backend | None = None) -> Iterator[ModelServerOnLoopback]:
    with serving(ModelServerOnLoopback((made or Backend()).answers())) as server:
        yield server


def chat_reply(content: str, tokens: list[tuple[str, float]] | None = None, **more: Any) -> Reply:
    """What a chat endpoint says, with log-probabilities where tokens are given."""
    told: dict[str, Any] = {
        "message": {"role": "assistant", "content": content},
        "finish_reason": "stop",
    }
    if tokens is not None:
        told["logprobs"] = {
            "content": [
                {"token": text, "logprob": logprob, "bytes": list(text.encode())}
                for text, logprob in tokens
            ]
        }
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return reply({"choices": [told | more], "usage": usage})


@contextmanager
def chat(answering: Answering) -> Iterator[ModelServerOnLoopback]:
    with serving(ModelServerOnLoopback({"/v1/chat/completions": answering})) as server:
        yield server
