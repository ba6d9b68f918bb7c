"""A server in this process: what it serves may have its clock and its runtime from a test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def _whole(app: WSGIApplication) -> WSGIApplication:
    """Answers are read whole and closed: werkzeug's server leaves a file open on who hangs up."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = app(environ, start_response)
        try:
            return [b"".join(body)]
        finally:
            if hasattr(body, "close"):
                body.close()

    return answer


@contextmanager
def answering(server: HTTPServer) -> Iterator[str]:
    """The address at which this server answers, until the end of the block."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The same of a server for this app."""
    with answering(make_server("127.0.0.1", 0, _whole(app), threaded=True)) as address:
        yield address
