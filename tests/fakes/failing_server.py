"""A local HTTP server that fails as it is told."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str, str | bytes]


class FailingServer(ThreadingHTTPServer):
    """Gives the answers of ``script`` one after the other, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FailingHandler)
        self.script: list[Answer] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.bodies: list[str] = []
        self.held = threading.Event()  # answers wait for it where the script says "hold"
        self.url = f"http://127.0.0.1:{self.server_port}"

    def tell(self, *answers: Answer) -> None:
        self.script = list(answers)

    def stop(self, thread: threading.Thread) -> None:
        self.held.set()
        self.shutdown()
        thread.join()


class FailingHandler(BaseHTTPRequestHandler):
    server: FailingServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body_in = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.bodies.append(body_in.decode())
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        script = self.server.script
        status, kind, body = script.pop(0) if len(script) > 1 else script[0]
        if body == "hold":
            self.server.held.wait(10)
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Location" if 300 <= status < 400 else "Content-Type", kind)
        self.send_header("Content-Length", str(len(content) + (50 if body == "cut" else 0)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    do_POST = do_PATCH = do_GET  # noqa: N815  # the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        del format, args


def running(server: FailingServer) -> threading.Thread:
    """Answer in a thread until ``server.stop(thread)``."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    return thread
