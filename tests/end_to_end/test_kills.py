"""kill -9 of web, scheduler and trainer at random points: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from backend.store.figures import project_figures
from backend.store.ledger import verify_ledger
from backend.store.tallies import accepted_labels
from backend.store.training import open_requests
from backend.store.votes import human_votes
from tests.end_to_end.policies_on_stage import write_policy
from tests.end_to_end.stage import Stage, make_stage, until
from tests.running_label_studio import RunningLabelStudio

TASKS = 120
KILLS = 8
SEED = 20261122
VICTIMS = ("web", "scheduler", "train")


def test_nothing_is_lost_or_doubled_when_processes_are_killed(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    # With credentials, so that Label Studio must use them on every call.
    credentials: dict[str, Any] = {"username": "gate", "password": "correct horse"}
    with make_stage(label_studio, tmp_path, TASKS, **credentials) as stage:
        policy = write_policy(stage, tmp_path / "policy.yaml", after=25, capacity=30)
        log = tmp_path / "serve.log"
        answered: list[int] = []
        with stage.running("serve", log) as supervisor:
            until(stage.healthy, "labelgate serve answers")
            stage.command("connect", "--project", str(stage.project_id), "--policy", str(policy))
            killed = kill_while_people_label(stage, supervisor.pid, answered)
            assert sum(killed.values()) == KILLS
            assert killed["web"]
            assert killed["scheduler"]
            label_everything(stage, answered)
            until(lambda: votes(stage) == Counter(answered), "every answer is known here")
            until(lambda: at_rest(stage), "all work is done and delivered")
            nothing_is_lost_or_doubled(stage, answered)


def kill_while_people_label(stage: Stage, supervisor: int, answered: list[int]) -> Counter[str]:
    """Kill one process after another, at random moments, while people go on labelling."""
    rng = random.Random(SEED)  # noqa: S311  # which process dies, and when: nothing secret
    stop = threading.Event()
    errors: list[BaseException] = []
    worker = threading.Thread(target=_label, args=(stage, answered, stop, errors))
    worker.start()
    killed: Counter[str] = Counter()
    wanted = ["web", "scheduler"] * (KILLS // 2)
    rng.shuffle(wanted)
    for place, victim in enumerate(wanted):
        # Every third time the trainer dies instead, if one is running now.
        choice = "train" if place % 3 == 2 and processes(supervisor).get("train") else victim
        look = partial(running, supervisor, choice)
        pid = until(look, f"{choice} runs")
        os.kill(pid, signal.SIGKILL)
        killed[choice] += 1
        time.sleep(rng.uniform(0.2, 4.0))  # the random moment is the point of the test
    stop.set()
    worker.join()
    assert errors == []
    return killed


def _label(
    stage: Stage, answered: list[int], stop: threading.Event, errors: list[BaseException]
) -> None:
    try:
        while not stop.is_set():
            label_once(stage, answered, most=5)
    except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
        errors.append(error)


def label_once(stage: Stage, answered: list[int], most: int) -> int:
    """Up to ``most`` answers to each view; nobody answers a task twice."""
    given = 0
    for name, people in (
        ("Control", ["sen"]),
        ("Audit", ["sen"]),
        ("senior", ["sen"]),
        ("general", ["ann", "bob"]),
    ):
        for task_id in stage.view(name)[:most] if name in stage.project.views else []:
            before = {a["completed_by"]["id"] for a in stage.task(task_id)["annotations"]}
            person = people[len(before) % len(people)]
            stage.label(person, task_id)
            answered.append(task_id)
            given += 1
    return given


def label_everything(stage: Stage, answered: list[int]) -> None:
    """Go on until the views stay empty."""

    def exhausted() -> bool:
        return label_once(stage, answered, most=50) == 0 and at_rest(stage)

    until(exhausted, "every queue is worked off")


def processes(supervisor: int) -> dict[str, int]:
    """The supervised processes by their command, and the trainer below the scheduler."""
    listing = subprocess.run(
        ["/bin/ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    family = {supervisor}
    found: dict[str, int] = {}
    for _ in range(4):  # supervisor, scheduler, trainer
        for pid, parent, arguments in rows:
            if int(parent) in family and "backend.commands.attached" in arguments:
                family.add(int(pid))
                command = arguments.split("backend.commands.attached", 1)[1].split()[0]
                if int(parent) == supervisor or command == "train":
                    found[command] = int(pid)
    return found


def running(supervisor: int, command: str) -> int | None:
    """The process of this command, if it runs now."""
    return processes(supervisor).get(command)


def at_rest(stage: Stage) -> bool:
    """No training is open and no delivery is pending."""
    with stage.runtime.reads() as session:
        figures = project_figures(session, stage.project)
        requests = open_requests(session, stage.project_id)
    return not requests and not figures.deliveries.get("pending")


def nothing_is_lost_or_doubled(stage: Stage, answered: list[int]) -> None:
    with stage.runtime.reads() as session:
        check = verify_ledger(session, stage.project_id)
        wished = accepted_labels(session, stage.project_id)
    assert check.broken_seq is None, check.why

    robot = stage.project.robot_id
    by_robot: Counter[int] = Counter()
    by_people: Counter[int] = Counter()
    for task in stage.tasks():
        versions = Counter(p["model_version"] for p in task["predictions"])
        assert not [v for v, count in versions.items() if count > 1], (task["id"], versions)
        for annotation in task["annotations"]:
            (by_robot if annotation["completed_by"] == robot else by_people)[task["id"]] += 1
            if annotation["completed_by"] == robot:
                [region] = annotation["result"]
                assert region["value"]["choices"] == [wished[task["id"]]]
    assert by_robot == Counter(dict.fromkeys(wished, 1))
    # Every answer that Label Studio took is there, and known here.
    assert by_people == Counter(answered) == votes(stage)


def votes(stage: Stage) -> Counter[int]:
    """People's answers by task, as Labelgate knows them."""
    with stage.runtime.reads() as session:
        return Counter(vote.task_id for vote in human_votes(session, stage.project_id))
