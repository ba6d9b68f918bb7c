"""The HTTP server under the app: gunicorn threads, or waitress on Windows. One process."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from typing import Any

from flask import Flask

from backend.settings import SettingsError
from backend.web.state import NAME, Web

if sys.platform == "win32":
    from waitress import serve as serve_waitress
else:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # no stubs


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything is forked, so that a busy port is one clear line.

    Raises ``SettingsError`` where the address cannot be bound.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(f"LABELGATE_HOST = {host!r} is no address: {error}") from error
    try:
        if sys.platform != "win32":  # there it would let two servers share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without, an answer's body may wait 40 ms for the acknowledgement
        # of its headers (Nagle's algorithm against delayed acknowledgements).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror or error}): stop what uses the port, "
            "or set LABELGATE_PORT to a free one"
        ) from error
    return listener


def keep_loaded() -> None:
    """Tell the garbage collector that what is loaded by now stays.

    Libraries and the app are some hundred thousand objects. The collector looked at all of them
    again during an answer that reads many rows, which took most of that answer's time.
    """
    gc.collect()
    gc.freeze()


def _begin(app: Flask) -> None:
    """Let this process see promoted versions whether it is asked anything or not."""
    keep_loaded()
    state: Web | None = app.extensions.get(NAME)
    if state is not None:  # any other app has no versions
        state.snapshots.watch(threading.Event())


if sys.platform == "win32":

    def run(app: Flask, listener: socket.socket, threads: int) -> None:
        """Answer until stopped."""
        _begin(app)
        serve_waitress(app, sockets=[listener], threads=threads)

else:

    class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn publishes no types
        """Gunicorn in this process, told what to do without a file or a command line."""

        def __init__(self, app: Flask, options: dict[str, Any]) -> None:
            self._app = app
            self._options = options
            super().__init__()

        def load_config(self) -> None:
            for key, value in self._options.items():
                self.cfg.set(key, value)

        def load(self) -> Flask:
            return self._app

    def run(app: Flask, listener: socket.socket, threads: int) -> None:
        """Answer until SIGTERM or SIGINT; requests under way get 10 s to end."""
        _Gunicorn(
            app,
            {
                "bind": f"fd://{listener.fileno()}",
                "workers": 1,  # more threads, not more processes: one model in memory, one version
                "worker_class": "gthread",
                "threads": threads,
                "timeout": 120,  # of a worker that stopped turning; Label Studio waits 100 s
                "graceful_timeout": 10,
                "keepalive": 75,
                "loglevel": "warning",
                "control_socket_disable": True,
                # In the worker: a thread does not live through its fork.
                "post_worker_init": lambda _worker: _begin(app),
            },
        ).run()
