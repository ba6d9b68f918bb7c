"""Servers of the benchmarks as processes of their own, on ports that nobody else listens on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 180.0  # a busy machine takes a minute to import the libraries


@dataclass(frozen=True, slots=True)
class Server:
    """A running one: its name in the table, its address and its process."""

    name: str
    port: int
    pid: int


@contextmanager
def running(
    name: str, port: int, command: list[str], folder: Path, more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server process that has answered once, ended at the end; ``more`` are settings of its."""
    environment = (os.environ | dict(more or {})) | {
        "LABELGATE_DATA_DIR": str(folder),
        "LABELGATE_PORT": str(port),
        "LABELGATE_HOST": "127.0.0.1",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_S
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name}: {(folder / f'{name}.log').read_text()}")
            time.sleep(0.1)
        yield Server(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    """True once the server takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
