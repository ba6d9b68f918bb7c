"""The trainer as a real process: killed, starved, hurried, cancelled. The champion serves on."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from audit_jobs import retrain
from audit_jobs.processes import ProcessError
from backend.champion import load_champion
from backend.memory import memory_limit_mb
from backend.retraining import Standing, attended, standings
from backend.settings import Settings
from backend.store.models import CHAMPION, all_versions
from backend.store.training import (
    CANCELLED,
    FAILED,
    MOST_ATTEMPTS,
    PROMOTED,
    RUNNING,
    cancel_training,
    request_training,
)
from backend.store.votes import count_new_labels
from backend.synchronisation import synchronise
from backend.training_progress import GATING, READING, RECORDING, TRAINING
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project
from tests.waiting import until

SEED = 20261128
PATIENCE_S = 120.0
STAGES = (READING, TRAINING, GATING, RECORDING)


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Enough answers that a training takes a second or more, and a champion."""
    policy = worked_policy(retrain={"after_annotations": 10, "minimum_labels": 20})
    made = worked_project(tmp_path, policy)
    made.tool.page_size = 1_000
    made.add(["fruit", "motor"] * 600)
    for task in made.tasks:
        label = "A" if "apples" in task.data["text"] else "B"
        made.server.submit(made.people["ann"], task.id, label)
    synchronise(made.runtime, made.project)
    made.promote()
    return made


def ask(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        labels = count_new_labels(session, worked.project_id)
        request_training(session, worked.project_id, "asked", labels, worked.clock())


def newest(worked: WorkedProject) -> Standing:
    with worked.runtime.reads() as session:
        return standings(session, worked.project_id, 1)[0]


def champion_serves(worked: WorkedProject, version: str) -> None:
    found = load_champion(worked.runtime, worked.project_id)
    assert found is not None
    assert found.model.version == version


def trainer() -> int | None:
    """The trainer below this process, if there is one."""
    listing = subprocess.run(
        ["/bin/ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        pid, parent, arguments = line.split(None, 2)
        if int(parent) == os.getpid() and " train --queued" in arguments:
            return int(pid)
    return None


class Running:
    """The job in a thread of its own, and how it ended."""

    def __init__(self, worked: WorkedProject) -> None:
        self._worked = worked
        self.ended: dict[str, object] | ProcessError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.ended = retrain.run(self._worked.runtime, self._worked.project)
        except ProcessError as error:
            self.ended = error

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert self.ended is not None


def with_settings(worked: WorkedProject, **changed: object) -> None:
    """As if Labelgate had been started with these settings."""
    settings = worked.runtime.settings
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    object.__setattr__(worked.runtime, "settings", Settings.model_validate({**given, **changed}))


def stage_of(worked: WorkedProject) -> str | None:
    """What a living trainer is at."""
    with worked.runtime.reads() as session:
        alive = attended(session, worked.project_id)
    found = newest(worked).request
    return found.stage if found.state == RUNNING and alive else None


def killed_at(worked: WorkedProject, stage: str) -> bool:
    """Kill a trainer once it is so far; False where it was faster."""
    job = Running(worked)
    wanted = STAGES.index(stage)

    def reached() -> bool:
        now = stage_of(worked)
        return job.ended is not None or (now is not None and STAGES.index(now) >= wanted)

    until(reached, stage, every_s=0.02)
    victim = trainer()
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
    job.join()
    return isinstance(job.ended, ProcessError) and newest(worked).request.open


@pytest.mark.parametrize("most", [3, pytest.param(25, marks=pytest.mark.long)])
def test_a_trainer_killed_again_and_again_leaves_one_version_a_request(
    worked: WorkedProject, most: int
) -> None:
    """Kills at random stages: whatever was served is served on, and no work is doubled."""
    rng = random.Random(SEED)  # noqa: S311  # when a process dies: nothing secret
    kills, number = 0, 1
    while kills < most:
        ask(worked)
        deaths = 0
        while deaths < MOST_ATTEMPTS - 1 and kills < most and killed_at(worked, rng.choice(STAGES)):
            deaths, kills = deaths + 1, kills + 1
            champion_serves(worked, f"v{number}")
            assert "was killed" in newest(worked).says
            assert newest(worked).request.attempts == deaths
        if newest(worked).request.open:
            assert retrain.run(worked.runtime, worked.project)["trained"]
        number += 1
        champion_serves(worked, f"v{number}")
        found = newest(worked).request
        assert (found.state, found.attempts) == (PROMOTED, deaths + 1)
        assert found.model_version == f"v{number}"
    with worked.runtime.reads() as session:
        stored = all_versions(session, worked.project_id)
    assert [each.version for each in stored] == [f"v{each}" for each in range(1, number + 1)]
    assert [each.state for each in stored] == ["retired"] * (number - 1) + [CHAMPION]
    folder = worked.runtime.settings.models_dir
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {each.path for each in stored}, "files of attempts that died are gone"


def test_one_that_needs_too_much_memory_says_how_much_it_may_have(tmp_path: Path) -> None:
    """Texts without a word in common, 100,000 words each: three attempts, then it is given up."""
    worked = worked_project(tmp_path, worked_policy())
    for number in range(60):
        text = " ".join(f"{number:02}{word:06x}" for word in range(100_000))
        (task_id,) = worked.server.add_tasks(worked.project_id, [{"text": text}])
        worked.server.submit(worked.people["ann"], task_id, "AB"[number % 2])
    synchronise(worked.runtime, worked.project)
    worked.promote()
    with_settings(worked, train_memory_mb=512, train_timeout_s=PATIENCE_S)
    ask(worked)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        with pytest.raises(ProcessError, match=r"512 MB .*TRAIN_MEMORY_MB"):
            retrain.run(worked.runtime, worked.project)
        assert newest(worked).request.attempts == attempt
        champion_serves(worked, "v1")
    assert newest(worked).request.state == FAILED
    # Python says it in words; a library that does not look dies of a signal.
    assert re.match(
        "failed: the trainer died 3 times; the last time: the trainer "
        "(needed more than 512 MB|died of SIG.* it may take 512 MB)",
        newest(worked).says,
    )
    assert retrain.run(worked.runtime, worked.project) == {"trained": False}


def test_an_allocation_beyond_the_limit_fails_and_one_below_does_not() -> None:
    limit = "from backend.commands.attached import limit_memory; limit_memory(1_000)\n"
    for megabytes, succeeds in ((100, True), (2_000, False)):
        done = subprocess.run(
            [sys.executable, "-c", f"{limit}held = bytearray({megabytes}_000_000)"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is succeeds, done.stderr
        assert ("MemoryError" in done.stderr) is not succeeds


def test_one_that_takes_too_long_is_ended_and_taken_up_again(worked: WorkedProject) -> None:
    with_settings(worked, train_timeout_s=0.01)
    ask(worked)
    with pytest.raises(ProcessError, match="LABELGATE_TRAIN_TIMEOUT_S"):
        retrain.run(worked.runtime, worked.project)
    assert newest(worked).request.open
    assert "LABELGATE_TRAIN_TIMEOUT_S" in newest(worked).says
    with_settings(worked, train_timeout_s=PATIENCE_S)
    assert retrain.run(worked.runtime, worked.project)["trained"]
    champion_serves(worked, "v2")


def test_a_cancelled_training_ends_its_process_and_the_next_one_need_not_wait(
    worked: WorkedProject,
) -> None:
    ask(worked)
    job = Running(worked)
    until(lambda: stage_of(worked) is not None, "the training", every_s=0.02)
    with worked.runtime.sessions.begin() as session:
        assert cancel_training(session, worked.project_id, "ann", worked.clock())
    assert newest(worked).says == "cancelled by ann"
    job.join()
    assert trainer() is None
    assert newest(worked).request.state == CANCELLED
    champion_serves(worked, "v1")
    ask(worked)
    assert retrain.run(worked.runtime, worked.project)["trained"]
    champion_serves(worked, "v2")


def test_a_process_may_have_three_quarters_of_what_is_there() -> None:
    chosen = memory_limit_mb(Settings())
    assert chosen is not None
    assert 64 < chosen < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    assert memory_limit_mb(Settings(train_memory_mb=600)) == 600
