"""Keeps child processes running until told to stop; restarts what died, with back-off."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

_HEALTHY_S = 10.0  # a child that lived this long was started rightly
_LONGEST_DELAY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A child to keep running: its name for people, and its command line."""

    name: str
    command: Sequence[str]


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    was_healthy: bool = False
    failures: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """The children, and the wish to stop. ``stop`` may be set from a signal handler."""

    programs: Sequence[Program]
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = time.monotonic
    poll_s: float = 0.2
    patience_s: float = 15.0
    _children: list[_Child] = field(default_factory=list)

    def run(self) -> int:
        """Start all, watch until ``stop`` is set, end all; the exit code.

        A child that fails before it was ever healthy ends everything with its code: something is
        wrong that a restart does not mend (a busy port, a missing setting), and it has said what.
        """
        try:
            for program in self.programs:
                self._children.append(_Child(program, _start(program), self.clock()))
            while not self.stop.wait(self.poll_s):
                code = self._watch()
                if code is not None:
                    return code
            return 0
        finally:
            self._end_all()

    def pids(self) -> dict[str, int]:
        """The process ids by program name."""
        return {child.program.name: child.process.pid for child in self._children}

    def _watch(self) -> int | None:
        """One look at every child; an exit code where all must end."""
        now = self.clock()
        for child in self._children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    _let_go(child.process)
                    child.process, child.started = _start(child.program), now
                    child.restart_at = None
                continue
            code = child.process.poll()
            if code is None:
                if now - child.started >= _HEALTHY_S:
                    child.was_healthy, child.failures = True, 0
                continue
            if code > 0 and not child.was_healthy:  # below 0: killed from outside
                logger.error("serve.failed program=%s code=%d", child.program.name, code)
                return code
            delay = min(2.0**child.failures, _LONGEST_DELAY_S)
            child.failures += 1
            child.restart_at = now + delay
            logger.warning(
                "serve.restart program=%s code=%d in_s=%.0f", child.program.name, code, delay
            )
        return None

    def _end_all(self) -> None:
        """Ask all to end, wait, then kill those that did not; bounded by ``patience_s``."""
        running = [child.process for child in self._children if child.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = self.clock() + self.patience_s
        for process in running:
            try:
                process.wait(max(0.0, deadline - self.clock()))
            except subprocess.TimeoutExpired:
                logger.error("serve.killed pid=%d", process.pid)  # noqa: TRY400 - no traceback
                process.kill()
                process.wait()
        for child in self._children:
            _let_go(child.process)


def _start(program: Program) -> subprocess.Popen[bytes]:
    """A child in a session of its own, so that Ctrl-C reaches the supervisor alone.

    Its standard input is a pipe that nobody writes to: it closes when the supervisor is gone.
    """
    return subprocess.Popen(  # noqa: S603 - our own command line
        list(program.command), stdin=subprocess.PIPE, start_new_session=True
    )


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Close our end of an ended child's pipe."""
    if process.stdin is not None:
        process.stdin.close()
