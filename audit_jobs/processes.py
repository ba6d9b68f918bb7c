"""Heavy work in a process of its own, so that it can neither slow nor break what serves.

What it needs of memory is given back when it ends, and it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.settings import Settings

_NICENESS = 10  # what the command nice adds where it is not told
_LOOK_S = 0.5
_STOP_S = 10.0  # for an orderly end; then it is killed
_MEMORY_SHARE = 0.75  # of the machine: the rest is for what serves
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class ProcessError(Exception):
    """The process was ended, or died; what it said last stands in the message."""


class ProcessStoppedError(Exception):
    """The process was ended because what it worked on is not wanted any more."""


def _always() -> bool:
    return True


def run_apart(
    settings: Settings,
    command: Sequence[str],
    name: str,
    wanted: Callable[[], bool] = _always,
) -> str:
    """Run a ``labelgate`` command with these settings; the end of what it said.

    ``name`` is what errors call it; ``wanted`` is asked twice a second. Raises ``ProcessError``
    where it fails, or takes longer than ``LABELGATE_TRAIN_TIMEOUT_S``, ``ProcessStoppedError``
    where it was not wanted to its end.
    """
    limit = [] if (mb := memory_limit_mb(settings)) is None else ["--memory-mb", str(mb)]
    with tempfile.TemporaryFile("w+") as said:
        # Its standard input is held open by this process: it ends when this one does.
        with subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "backend.commands.attached", *limit, *command],
            env=settings.process_environment(),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process:
            _give_way(process.pid)
            _wait(process, settings.train_timeout_s, name, wanted)
        said.seek(0)
        tail = said.read()[-1000:].strip()
    if process.returncode != 0:
        raise ProcessError(f"{name} {_how(process.returncode)}: {tail or 'it said nothing'}")
    return tail


def memory_limit_mb(settings: Settings) -> int | None:
    """What a process of its own may take; None where this system knows no limit."""
    if settings.train_memory_mb is not None:
        return settings.train_memory_mb
    if not sys.platform.startswith("linux"):
        return None
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # none, or "max"
            there = min(there, int(path.read_text(encoding="ascii")))
    return int(_MEMORY_SHARE * there / 1_000_000)


def _how(code: int) -> str:
    """How a process ended, from its return code; negative is a signal's number."""
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        if -code == signal.SIGKILL:
            return "was killed, by somebody or by the system for want of memory"
        return f"died of {signal.Signals(-code).name}"
    return f"died of signal {-code}"


def _give_way(pid: int) -> None:
    """Let the process work on what the others leave of the processors."""
    if sys.platform != "win32":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        with contextlib.suppress(ProcessLookupError):  # it has ended already; waiting says how
            os.setpriority(os.PRIO_PROCESS, pid, own + _NICENESS)


def _wait(
    process: subprocess.Popen[bytes], timeout_s: float, name: str, wanted: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        try:
            process.wait(min(max(left, 0.0), _LOOK_S))
        except subprocess.TimeoutExpired:
            if left <= _LOOK_S:
                process.kill()
                raise ProcessError(
                    f"{name} took longer than {timeout_s:g} s and was ended; the limit is "
                    "LABELGATE_TRAIN_TIMEOUT_S"
                ) from None
        else:
            return
        if not wanted():
            _stop(process)
            raise ProcessStoppedError(f"{name} was stopped: it is not wanted any more")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then insist."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:  # deep in a computation that hears no signal
        process.kill()
