"""Heavy work in a process of its own, so that it can neither slow nor break what serves.

What it needs of memory is given back when it ends, and it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from backend.memory import memory_limit_mb
from backend.settings import Settings

_NICENESS = 10  # what the command nice adds where it is not told
_LOOK_S = 0.5
_ORDERLY_END = (143, -signal.SIGTERM)
# What Python, C++, the loader and the system say where an allocation fails.
_TOO_LITTLE = re.compile(
    r"MemoryError|bad_alloc|failed to map segment|[Cc]annot allocate memory|can't start new thread"
    r"|[Mm]emory allocation"
)
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS")
_STOP_S = 10.0  # for an orderly end; then it is killed


class ProcessError(Exception):
    """The process was ended, or died; what it said last stands in the message."""


class ProcessStoppedError(ProcessError):
    """The process was told to stop: what it worked on is not wanted any more, or not now."""


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
    limit_mb = memory_limit_mb(settings)
    limited = [] if limit_mb is None else ["--memory-mb", str(limit_mb)]
    with tempfile.TemporaryFile("w+") as said:
        # Its standard input is held open by this process: it ends when this one does.
        with subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "backend.commands.attached", *limited, *command],
            env=settings.process_environment(),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process:
            _give_way(process.pid)
            _wait(process, settings.train_timeout_s, name, wanted)
        said.seek(0)
        tail = said.read()[-1000:].strip()
    if process.returncode in _ORDERLY_END:
        raise ProcessStoppedError(f"{name} was told to stop")
    if process.returncode != 0:
        raise ProcessError(f"{name} {_how(process.returncode, tail, limit_mb)}")
    return tail


def _how(code: int, tail: str, limit_mb: int | None) -> str:
    """How a process ended, in words: from its return code (a signal's number, where negative)."""
    said = tail or "it said nothing"
    if limit_mb is not None and _TOO_LITTLE.search(tail):
        return (
            f"needed more than {limit_mb} MB of memory: set LABELGATE_TRAIN_MEMORY_MB higher, or "
            f"give the machine more ({said.splitlines()[-1]})"
        )
    if code >= 0:
        return f"ended with code {code}: {said}"
    if -code == signal.SIGKILL:
        return f"was killed, by somebody or by the system for want of memory: {said}"
    named = f"signal {-code}"
    with contextlib.suppress(ValueError):
        named = signal.Signals(-code).name
    if limit_mb is not None and named in _CRASHES:
        return (
            f"died of {named}; some libraries do where memory ends, and it may take {limit_mb} MB "
            f"(LABELGATE_TRAIN_MEMORY_MB): {said}"
        )
    return f"died of {named}: {said}"


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
