"""The demo's own servers: a Label Studio, and Labelgate's web process beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from backend.settings import Settings
from connectors.label_studio.local_server import LocalLabelStudio
from connectors.loopback import free_port

_START_S = 90.0
_NO_SUCH_PREFIX = "LABELGATE_DEMO_READS_NO_ENVIRONMENT_"


class ServerError(Exception):
    """A server of the demo did not start; the message ends with what it said."""


def settings_for(folder: Path, label_studio: LocalLabelStudio) -> Settings:
    """Labelgate's settings beside this Label Studio; the user's own environment has no say."""
    return Settings(
        _env_prefix=_NO_SUCH_PREFIX,
        data_dir=folder / "labelgate",
        label_studio_url=label_studio.url,
        label_studio_token=label_studio.token,
        port=free_port(),
        sync_interval_s=10,
    )


@contextmanager
def labelgate(settings: Settings, command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A ``labelgate`` process (web, scheduler, serve) with these settings; ended on leaving."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "backend.commands.attached", command],
            env=settings.process_environment(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once ``/health`` answers; raise where the process ends or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise ServerError(f"{url} did not start; its log ends with:\n{tail}")
