"""The worker process of a hosted class, seen from here: started, asked, ended, started anew.

A process is started by the first question, and again where it died or the class was trained. One
that does not answer in time is killed with all that it started. Questions wait for each other: a
class is never asked by two threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from backend.hosting.spec import HostSpec
from backend.hosting.trainings import trainings_of
from connectors.model_servers.circuit import Circuit
from connectors.model_servers.server import (
    LARGEST_ANSWER,
    ModelServerDownError,
    ModelServerError,
)

START_S = 120.0  # importing a library of models, and loading one
_LOOK_S = 0.2
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS")
_PATIENCE_S = 10.0  # a killed process ends as soon as the system has it written off


class _DiedError(ModelServerDownError):
    """The process ended."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """A started process, what it says, and how often the class was trained before its start."""

    process: subprocess.Popen[bytes]
    said: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    trainings: int


class Host:
    """One class of one project, in a process of its own that this process keeps. Thread-safe."""

    def __init__(
        self, spec: HostSpec, *, circuit: Circuit | None = None, start_s: float = START_S
    ) -> None:
        self.spec = spec
        self.circuit = circuit or Circuit()
        self._start_s = start_s
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id; None where none was started, or it was ended here."""
        running = self._running
        return None if running is None else running.process.pid

    def ask(self, question: Mapping[str, Any], timeout_s: float) -> Any:
        """What the class answers, within ``timeout_s``.

        Starting it, and making it for another labelling config, have a time of their own: what it
        loads then is not loaded again.

        Raises
            ModelServerDownError: it cannot be used, died or did not answer in time, or is not
                asked for now, after failures in a row.
            ModelServerError: it failed for this question.
        """
        waits = self.circuit.closed_for()
        if waits is not None:
            raise ModelServerDownError(waits)
        if not self._lock.acquire(timeout=timeout_s):
            raise ModelServerDownError(f"was busy with other questions for {timeout_s:g} s")
        try:
            said = self._asked(question, timeout_s)
        except ModelServerDownError as error:
            self._end()
            self.circuit.failed(str(error))
            raise
        except ModelServerError:
            self.circuit.succeeded()  # it answers, if badly
            raise
        except BaseException:  # an answer that comes now would be taken for the next question's
            self._end()
            raise
        finally:
            self._lock.release()
        self.circuit.succeeded()
        return said

    def close(self) -> None:
        """End the process, even amid a question; there will be no other."""
        self._closed = True
        running = self._running
        if running is not None:
            _kill(running.process)
        with self._lock:
            self._end()

    def _asked(self, question: Mapping[str, Any], timeout_s: float) -> Any:
        return _exchange(self._ready(question["label_config"]), question, timeout_s)

    def _ready(self, label_config: str) -> _Running:
        """A process in which the class is made; what ended one at rest is no failure."""
        rested = self._running is not None
        try:
            return self._made_for(label_config)
        except _DiedError:
            if not rested:
                raise
        self._end()
        return self._made_for(label_config)

    def _made_for(self, label_config: str) -> _Running:
        running = self._started()
        making = {"ask": "version", "label_config": label_config}
        _exchange(running, making, self._start_s)
        return running

    def _started(self) -> _Running:
        if self._closed:
            raise ModelServerDownError("is not hosted any more: the policy names another model")
        trainings = trainings_of(self.spec.folder)
        running = self._running
        if running is not None:
            # What a class keeps in memory after a training elsewhere is what it knew before.
            if running.process.poll() is None and running.trainings == trainings:
                return running
            self._end()
        self.spec.folder.mkdir(parents=True, exist_ok=True)
        self._running = running = _Running(process=_start(self.spec), trainings=trainings)
        reader = threading.Thread(
            target=_read, args=(running.process.stdout, running.said), daemon=True
        )
        reader.start()
        told = {
            "wanted": asdict(self.spec.wanted),
            "memory_mb": self.spec.memory_mb,
            "idle_s": self.spec.idle_s,
        }
        _exchange(running, told, self._start_s)
        return running

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        process = running.process
        _kill(process)
        with contextlib.suppress(subprocess.TimeoutExpired):  # waits for a disk; it is killed
            process.wait(_PATIENCE_S)
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()


def _start(spec: HostSpec) -> subprocess.Popen[bytes]:
    """In a session of its own, so that all it starts can be ended with it."""
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "backend.hosting.program"],
            env=dict(spec.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ModelServerDownError(f"cannot be started: {error.strerror}") from error


def _exchange(running: _Running, question: Mapping[str, Any], timeout_s: float) -> Any:
    """A line there, a line back."""
    line = json.dumps(question).encode() + b"\n"
    # Beside this thread: a process that does not read must not hold us longer than the time-out.
    threading.Thread(target=_write, args=(running.process.stdin, line), daemon=True).start()
    answer = _next_line(running, timeout_s)
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise ModelServerDownError("answered with what is no JSON") from None
    if "unable" in said:
        raise ModelServerDownError(said["unable"])
    if "refused" in said:
        raise ModelServerError(said["refused"])
    return said["said"]


def _next_line(running: _Running, timeout_s: float) -> bytes:
    until = time.monotonic() + timeout_s
    ended = False
    while True:
        left = until - time.monotonic()
        try:
            line = running.said.get(timeout=min(max(left, 0.0), _LOOK_S))
        except queue.Empty:
            if ended:  # a process that it started may hold the pipe open
                line = None
            elif left <= 0:
                raise ModelServerDownError(
                    f"did not answer within {timeout_s:g} s and was ended"
                ) from None
            else:
                ended = running.process.poll() is not None
                continue
        if line is None:
            raise _death(running.process)
        if len(line) > LARGEST_ANSWER:
            raise ModelServerDownError(f"answered with more than {LARGEST_ANSWER >> 20} MB")
        return line


def _death(process: subprocess.Popen[bytes]) -> ModelServerDownError:
    """How the process ended, in words."""
    try:
        code = process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return _DiedError("closed its line to Labelgate and was ended")
    if code >= 0:
        return _DiedError(f"ended its process with code {code}: see Labelgate's log")
    if -code == signal.SIGKILL:
        return _DiedError(
            "was killed, by somebody or by the system for want of memory; it is started anew"
        )
    named = f"signal {-code}"
    with contextlib.suppress(ValueError):
        named = signal.Signals(-code).name
    why = ", as some libraries do where LABELGATE_TRAIN_MEMORY_MB ends" * (named in _CRASHES)
    return _DiedError(f"died of {named}{why}; it is started anew")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process, and what it started in its session; its number is theirs until the last."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _write(pipe: IO[bytes] | None, line: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # it has died, and waiting for it says how
        if pipe is not None:
            pipe.write(line)
            pipe.flush()


def _read(pipe: IO[bytes] | None, said: queue.SimpleQueue[bytes | None]) -> None:
    if pipe is not None:
        with pipe:
            while line := pipe.readline(LARGEST_ANSWER + 1):
                said.put(line)
    said.put(None)
