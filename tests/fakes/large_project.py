"""A project with many tasks whose model takes its time, and says what it was asked about."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.runtime import Runtime
from backend.store.decisions import current_decisions
from backend.store.ledger_check import verify_ledger
from backend.store.tasks import StoredTask, store_tasks
from policies.domain import Decision
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.label_studio_server import FakeServer
from tests.fakes.web_project import PROJECT_ID, WebProject, web_project

_PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
SECONDS_A_TEXT = "LABELGATE_TEST_SECONDS_A_TEXT"
POLICY = """
project: large
stakes: low
tiers:
  - name: general
    reviewers: [a@example.com, b@example.com]
    cost_per_label: 0.1
    daily_capacity: 100
model:
  kind: python
  function: labelgate_test_slow:predict
  labels: [A, B]
auto_accept: never
"""
MODEL = """
import os
import time
from pathlib import Path

version = "slow"
MANY = 40
_FOLDER = Path(__file__).parent


def predict(texts):
    mine = _FOLDER / "asked" / f"{os.getpid()}.txt"
    mine.touch()
    answered = len(mine.read_text().splitlines())
    while answered > MANY and (_FOLDER / "held").exists():
        time.sleep(0.05)
    time.sleep(float(os.environ["LABELGATE_TEST_SECONDS_A_TEXT"]) * len(texts))
    with mine.open("a") as file:
        file.writelines(f"{text}\\n" for text in texts)
    return [[0.9, 0.1] if len(text) % 2 else [0.1, 0.9] for text in texts]
"""


@dataclass(frozen=True)
class LargeProject:
    """The project, its folder, and the processes that work on it."""

    made: WebProject
    folder: Path
    tasks: int

    @property
    def runtime(self) -> Runtime:
        return self.made.runtime

    def asked(self) -> Counter[str]:
        """How often the model was asked about each task's text, by whichever process."""
        return Counter(
            line
            for file in (self.folder / "asked").glob("*.txt")
            for line in file.read_text().splitlines()
        )

    def hold(self) -> None:
        """Keep a process that has asked about many texts from asking on, until it is let go."""
        (self.folder / "held").touch()

    def let_go(self) -> None:
        """Let them all ask on."""
        (self.folder / "held").unlink()

    def askers(self) -> dict[int, int]:
        """Process -> how many texts its model has answered; 0 for one that waits for the first."""
        return {
            int(file.stem): len(file.read_text().splitlines())
            for file in (self.folder / "asked").glob("*.txt")
        }

    def decided(self) -> list[Decision]:
        """The decision of every task that has one, by task."""
        with self.runtime.reads() as session:
            return [each.decision for each in current_decisions(session, PROJECT_ID)]

    def check_ledger(self, tasks: int | None = None) -> None:
        """Every task has one decision, and no entry is missing, doubled or changed."""
        with self.runtime.reads() as session:
            check = verify_ledger(session, PROJECT_ID)
        assert check.broken_seq is None, check.why
        assert check.entries == (tasks or self.tasks)

    @contextmanager
    def process(self, *command: str, log: str) -> Iterator[subprocess.Popen[bytes]]:
        """A ``labelgate`` process of this project's settings, ended at the end."""
        environment = self.runtime.settings.process_environment()
        environment["PYTHONPATH"] = f"{ROOT}:{self.folder}"
        with (self.folder / f"{log}.log").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "labelgate", *command],
                env=environment,
                cwd=self.folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def large_project(folder: Path, tasks: int, **settings: object) -> LargeProject:
    """A new database with one connected project; texts are ``text of 1`` and so on."""
    (folder / "asked").mkdir(parents=True)
    (folder / "labelgate_test_slow.py").write_text(MODEL)
    made = web_project(folder, **settings)
    made.connect(policy=POLICY)
    tool = FakeAnnotationTool(
        server=FakeServer(clock=made.clock)
    )  # asked who its users are, no more
    object.__setattr__(made.runtime, "tool", lambda: tool)
    rows = [StoredTask(id=n, data={"text": f"text of {n}"}) for n in range(1, tasks + 1)]
    with made.runtime.sessions.begin() as session:
        store_tasks(session, PROJECT_ID, rows, made.clock())
    return LargeProject(made=made, folder=folder, tasks=tasks)
