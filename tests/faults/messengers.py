"""Stands where Label Studio sends its webhooks: brings each once, twice, or never."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_KEPT = ("authorization", "content-type", "x-labelgate")  # beginnings of headers' names
_BAD_GATEWAY = 502


class Messenger(ThreadingHTTPServer):
    """Hands on whatever Label Studio asks Labelgate; ``copies`` says how often webhooks arrive."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.copies = 1
        self.sent = 0  # webhooks by Label Studio, however often they were brought
        self.url = f"http://127.0.0.1:{self.server_port}"
        # Label Studio waits one second for a webhook: a longer wait here would help nobody.
        self.http = httpx.Client(trust_env=False, timeout=httpx.Timeout(100, connect=1))

    @contextmanager
    def running(self) -> Iterator[Messenger]:
        """Hand on, in a thread of its own, until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()
            self.http.close()

    @contextmanager
    def bringing(self, copies: int) -> Iterator[None]:
        """Every webhook arrives so often within the block, and once after it."""
        self.copies = copies
        try:
            yield
        finally:
            self.copies = 1


class _Handler(BaseHTTPRequestHandler):
    server: Messenger
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go apart: the body would wait 40 ms

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hook = self.command == "POST" and self.path.split("?")[0] == "/webhook"
        copies = self.server.copies if hook else 1
        answer: httpx.Response | None = None
        for _ in range(copies):
            answer = self._handed_on(body)
        if hook:
            self.server.sent += 1
        if answer is None:
            self.close_connection = True  # as where nobody listens: no answer at all
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(answer.content)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()  # Label Studio may have given up waiting, or be dead
            self.wfile.write(answer.content)

    do_POST = do_GET  # noqa: N815  # the base's names

    def _handed_on(self, body: bytes) -> httpx.Response:
        headers = {
            name: value for name, value in self.headers.items() if name.lower().startswith(_KEPT)
        }
        address = f"{self.server.target}{self.path}"
        try:
            return self.server.http.request(self.command, address, content=body, headers=headers)
        except httpx.TransportError:
            return httpx.Response(_BAD_GATEWAY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        del format, args
