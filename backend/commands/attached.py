"""Runs a ``labelgate`` command that ends when its parent does, even when that is killed by -9.

``python -m backend.commands.attached web`` is ``labelgate web`` with standard input held open by
the parent: the system closes the pipe when the parent is gone, however it went. That works on every
system, and needs nothing of the command but that SIGTERM ends it.

``--memory-mb N`` before the command limits what the process may take of memory, on Linux, and lets
the system, should it run out all the same, take this process before any that serves.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
from pathlib import Path

if sys.platform != "win32":
    import resource

_GRACE_S = 20.0  # longer than a server takes to finish its requests


def end_with_parent(stdin: int) -> threading.Thread:
    """Watch ``stdin`` from a thread; at its end this process asks itself to end, then insists."""
    watcher = threading.Thread(target=_watch, args=(stdin,), name="parent-watcher", daemon=True)
    watcher.start()
    return watcher


def _watch(stdin: int) -> None:
    while os.read(stdin, 1024):  # the parent never writes
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE_S)
    os._exit(1)


def limit_memory(megabytes: int) -> None:
    """From now on this process gets no more than this; beyond it an allocation fails."""
    if not sys.platform.startswith("linux"):
        return  # elsewhere the limit is not kept for what is mapped, which is nearly all
    # Data, not address space: libraries map far more than they ever touch.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes * 1_000_000
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
    with contextlib.suppress(OSError):  # a container may forbid it
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")


if __name__ == "__main__":
    end_with_parent(sys.stdin.fileno())
    if sys.argv[1:2] == ["--memory-mb"]:
        limit_memory(int(sys.argv[2]))
        del sys.argv[1:3]
    sys.argv[0] = "labelgate"
    runpy.run_module("labelgate", run_name="__main__", alter_sys=True)
