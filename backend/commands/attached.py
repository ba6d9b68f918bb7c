"""Runs a ``labelgate`` command that ends when its parent does, even when that is killed by -9.

``python -m backend.commands.attached web`` is ``labelgate web`` with standard input held open by
the parent: the system closes the pipe when the parent is gone, however it went. That works on every
system, and needs nothing of the command but that SIGTERM ends it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

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


if __name__ == "__main__":
    end_with_parent(sys.stdin.fileno())
    sys.argv[0] = "labelgate"
    runpy.run_module("labelgate", run_name="__main__", alter_sys=True)
