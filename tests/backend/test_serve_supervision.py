"""Two children, kept running: restarted when they die, ended with their parent."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backend.supervision import Program, Supervisor

LONG_S = 30.0
REST = "threading.Event().wait()"


@dataclass
class Stage:
    """A named pipe on which every child writes its name and process id when it starts."""

    path: Path
    pipe: int = field(init=False)
    unread: bytes = b""

    def __post_init__(self) -> None:
        os.mkfifo(self.path)
        self.pipe = os.open(self.path, os.O_RDWR)  # open for both: never at its end

    def program(self, name: str, then: str) -> Program:
        return Program(name=name, command=(sys.executable, "-c", self.script(name, then)))

    def script(self, name: str, then: str) -> str:
        return (
            "import os, signal, sys, threading\n"
            f"def say(text): open({str(self.path)!r}, 'a').write(text + '\\n')\n"
            f"say('{name} ' + str(os.getpid()))\n"
            f"{then}\n"
        )

    def next(self) -> tuple[str, int]:
        """The next thing said."""
        while b"\n" not in self.unread:
            with selectors.DefaultSelector() as selector:
                selector.register(self.pipe, selectors.EVENT_READ)
                assert selector.select(LONG_S), "nobody said anything"
            self.unread += os.read(self.pipe, 4096)
        line, self.unread = self.unread.split(b"\n", 1)
        name, number = line.decode().split()
        return name, int(number)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "said")
    yield stage
    os.close(stage.pipe)


@contextmanager
def running(supervisor: Supervisor) -> Iterator[list[int]]:
    """The supervisor in a thread; gives the list that its exit code will stand in."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()))
    thread.start()
    try:
        yield codes
    finally:
        supervisor.stop.set()
        thread.join(LONG_S)
        assert not thread.is_alive()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> None:
    """Returns when the process has ended; the test's own time limit bounds it."""
    watched = os.pidfd_open(pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(watched, selectors.EVENT_READ)
            assert selector.select(LONG_S), f"process {pid} still runs"
    finally:
        os.close(watched)


def test_all_are_started_and_ended_together(stage: Stage) -> None:
    supervisor = Supervisor([stage.program("web", REST), stage.program("jobs", REST)])
    with running(supervisor) as codes:
        said = dict([stage.next(), stage.next()])
        assert said == supervisor.pids()
        assert all(map(is_running, said.values()))
    assert codes == [0]
    assert not any(map(is_running, said.values()))


def test_a_killed_child_is_started_again_alone(stage: Stage) -> None:
    supervisor = Supervisor([stage.program("web", REST), stage.program("jobs", REST)], poll_s=0.01)
    with running(supervisor):
        said = dict([stage.next(), stage.next()])
        os.kill(said["web"], signal.SIGKILL)
        name, pid = stage.next()
        assert name == "web"
        assert pid != said["web"]
        assert is_running(said["jobs"])


def test_a_child_that_cannot_start_ends_all_with_its_code(stage: Stage) -> None:
    supervisor = Supervisor([stage.program("jobs", REST), stage.program("web", "sys.exit(3)")])
    assert supervisor.run() == 3
    said = dict([stage.next(), stage.next()])
    assert not any(map(is_running, said.values()))


def test_a_child_that_will_not_end_is_killed(stage: Stage) -> None:
    deaf = f"signal.signal(signal.SIGTERM, lambda *_: None); say('deaf 0'); {REST}"
    supervisor = Supervisor([stage.program("web", deaf)], patience_s=0.2)
    with running(supervisor) as codes:
        _, pid = stage.next()
        assert stage.next() == ("deaf", 0)
    assert codes == [0]
    assert not is_running(pid)


def test_children_end_when_the_supervisor_is_killed(stage: Stage) -> None:
    """The child is what ``serve`` starts: a program attached to its parent's pipe."""
    attached = (
        "import sys; from backend.commands.attached import end_with_parent;"
        "end_with_parent(sys.stdin.fileno())\n" + stage.script("child", REST)
    )
    parent = (
        "import sys; from backend.supervision import Program, Supervisor;"
        f"Supervisor([Program(name='child', command=(sys.executable, '-c', {attached!r}))]).run()"
    )
    process = subprocess.Popen((sys.executable, "-c", parent))
    try:
        _, child = stage.next()
        assert is_running(child)
        process.send_signal(signal.SIGKILL)
        wait_until_gone(child)
    finally:
        process.kill()
        process.wait(LONG_S)
