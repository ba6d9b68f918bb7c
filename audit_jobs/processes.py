"""Heavy work in a process of its own, so that it can neither slow nor break what serves.

What it needs of memory is given back when it ends, and it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from backend.settings import Settings

_NICENESS = 10  # what the command nice adds where it is not told


class ProcessError(Exception):
    """The process was ended, or died; what it said last stands in the message."""


def run_apart(settings: Settings, command: Sequence[str], name: str) -> str:
    """Run a ``labelgate`` command with these settings; the end of what it said.

    ``name`` is what errors call it. Raises ``ProcessError`` where it fails, or takes longer than
    ``LABELGATE_TRAIN_TIMEOUT_S``.
    """
    with tempfile.TemporaryFile("w+") as said:
        # Its standard input is held open by this process: it ends when this one does.
        with subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "backend.commands.attached", *command],
            env=settings.process_environment(),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process:
            _give_way(process.pid)
            _wait(process, settings.train_timeout_s, name)
        said.seek(0)
        tail = said.read()[-1000:].strip()
    if process.returncode != 0:
        raise ProcessError(f"{name} ended with code {process.returncode}: {tail}")
    return tail


def _give_way(pid: int) -> None:
    """Let the process work on what the others leave of the processors."""
    if sys.platform != "win32":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        with contextlib.suppress(ProcessLookupError):  # it has ended already; waiting says how
            os.setpriority(os.PRIO_PROCESS, pid, own + _NICENESS)


def _wait(process: subprocess.Popen[bytes], timeout_s: float, name: str) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise ProcessError(
            f"{name} took longer than {timeout_s:g} s and was ended; the limit is "
            "LABELGATE_TRAIN_TIMEOUT_S"
        ) from None
