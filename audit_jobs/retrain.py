"""Job: carry out the project's training request in a process of its own.

So training can neither slow nor break what serves, and what it needs of memory is given back.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from typing import Any

from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.training import open_requests

_NICENESS = 10  # what the command nice adds where it is not told


class TrainerError(Exception):
    """The trainer's process was ended, or died."""


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Train once if a request waits; returns when the trainer has ended."""
    with runtime.reads() as session:
        if not open_requests(session, project.id):
            return {"trained": False}
    command = ["train", "--queued", "--project", str(project.id)]
    with tempfile.TemporaryFile("w+") as said:
        # Its standard input is held open by this process: the trainer ends when this one does.
        with subprocess.Popen(  # noqa: S603  # our own command line
            [sys.executable, "-m", "backend.commands.attached", *command],
            env=runtime.settings.process_environment(),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as trainer:
            _give_way(trainer.pid)
            _wait(trainer, runtime.settings.train_timeout_s)
        said.seek(0)
        tail = said.read()[-1000:].strip()
    if trainer.returncode != 0:
        raise TrainerError(f"the trainer ended with code {trainer.returncode}: {tail}")
    return {"trained": True, "said": tail}


def _give_way(pid: int) -> None:
    """Let the process work on what the others leave of the processors."""
    if sys.platform != "win32":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        with contextlib.suppress(ProcessLookupError):  # it has ended already; waiting says how
            os.setpriority(os.PRIO_PROCESS, pid, own + _NICENESS)


def _wait(trainer: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        trainer.wait(timeout_s)
    except subprocess.TimeoutExpired:
        trainer.kill()
        raise TrainerError(
            f"training took longer than {timeout_s:g} s and was ended; the limit is "
            "LABELGATE_TRAIN_TIMEOUT_S"
        ) from None
