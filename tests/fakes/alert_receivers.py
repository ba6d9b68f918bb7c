"""Where alerts arrive in tests: a channel in memory, an HTTP server and a mail server."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from connectors.alerts.channel import AlertChannelDownError, AlertChannelError, AlertMessage


@dataclass
class FakeChannel:
    """Implements ``AlertChannel``; ``failures`` are raised first, one for each message."""

    got: list[AlertMessage] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    after: BaseException | None = None
    down: bool = False

    def send(self, message: AlertMessage) -> str:
        if self.down:
            raise AlertChannelDownError("does not answer: ConnectError")
        if self.failures:
            raise self.failures.pop(0)
        self.got.append(message)
        if self.after is not None:
            raise self.after
        return "taken"

    def refuse(self, times: int = 1) -> None:
        self.failures += [AlertChannelError("answered 500") for _ in range(times)]


@dataclass
class HttpRequest:
    path: str
    headers: dict[str, str]
    body: bytes


class HttpReceiver(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``body``; holds them while ``held`` is not set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HttpHandler)
        self.status = 200
        self.body = b"ok"
        self.location: str | None = None
        self.got: list[HttpRequest] = []
        self.held = threading.Event()
        self.held.set()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _HttpHandler(BaseHTTPRequestHandler):
    server: HttpReceiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(HttpRequest(self.path, dict(self.headers), body))
        self.server.held.wait(10)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        with suppress(OSError):  # whoever sent it does not read large answers
            self.wfile.write(self.server.body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        del format, args


@dataclass
class Envelope:
    sender: str
    recipients: list[str]
    mail: EmailMessage
    encrypted: bool
    login: str | None


class MailReceiver(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP to take mails; ``tls`` offers STARTTLS, ``answer`` is the last one."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.tls = tls
        self.answer = "250 taken"
        self.login_answer = "235 welcome"
        self.refused: set[str] = set()
        self.got: list[Envelope] = []
        self.held = threading.Event()
        self.held.set()
        self.port = self.server_address[1]
        self.url = f"smtp://127.0.0.1:{self.port}"


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailReceiver

    def handle(self) -> None:
        self.encrypted = False
        self.login: str | None = None
        self.secure: ssl.SSLSocket | None = None
        self.sender, self.recipients = "", list[str]()
        self.server.held.wait(10)
        with suppress(OSError):
            self._say("220 receiver")
            while line := self.rfile.readline():
                word, _, rest = line.decode().rstrip("\r\n").partition(" ")
                self._do(word.upper(), rest)
                if word.upper() == "QUIT":
                    return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
        self.wfile.flush()

    def _do(self, word: str, rest: str) -> None:
        match word:
            case "EHLO":
                self._offer()
            case "STARTTLS":
                self._encrypt()
            case "AUTH":
                self.login = rest
                self._say(self.server.login_answer)
            case "MAIL":
                self.sender, self.recipients = rest, []
                self._say("250 ok")
            case "RCPT":
                self._add(rest.partition("<")[2].partition(">")[0])
            case "DATA":
                self._take()
            case _:
                self._say("221 bye" if word == "QUIT" else "250 ok")

    def _offer(self) -> None:
        tls = self.server.tls is not None and not self.encrypted
        for offer in ("receiver", "AUTH PLAIN", *(["STARTTLS"] if tls else [])):
            self._say(f"250-{offer}")
        self._say("250 SIZE 10000000")

    def _encrypt(self) -> None:
        assert self.server.tls is not None
        self._say("220 go ahead")
        self.secure = self.server.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.secure.makefile("rb"), self.secure.makefile("wb")
        self.encrypted = True

    def finish(self) -> None:
        super().finish()
        if self.secure is not None:
            self.secure.close()

    def _add(self, address: str) -> None:
        refused = address in self.server.refused
        if not refused:
            self.recipients.append(address)
        self._say("550 unknown" if refused else "250 ok")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (each := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(each)
        mail = message_from_bytes(b"".join(lines), policy=default)
        assert isinstance(mail, EmailMessage)
        if self.server.answer.startswith("250"):
            found = Envelope(self.sender, self.recipients, mail, self.encrypted, self.login)
            self.server.got.append(found)
        self._say(self.server.answer)


@contextmanager
def receiving(server: HttpReceiver | MailReceiver) -> Iterator[None]:
    """Answer in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
