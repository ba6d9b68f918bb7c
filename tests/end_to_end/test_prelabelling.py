"""``labelgate prelabel``, killed three times: every task that may show a label shows it once."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from backend.store.ledger_check import verify_ledger
from policies.domain import Purpose
from tests.end_to_end.models_on_stage import serve_model
from tests.end_to_end.policies_on_stage import write_rules
from tests.end_to_end.stage import Stage, make_stage, text_of
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import until

TASKS, CAPACITY = 1_500, 40
RULES = """\
auto_accept: {max_error_rate: 0.2, confidence: 0.8}
control: {share: 0.1}
holdout: {share: 0.1}
agreement: {share: 0.05, overlap: 2}
"""


def test_every_task_shows_its_label_once_whenever_it_was_killed(
    label_studio: RunningLabelStudio, tmp_path: Path
) -> None:
    with make_stage(label_studio, tmp_path, TASKS) as stage:
        policy = write_rules(stage, tmp_path / "policy.yaml", RULES, capacity=CAPACITY)
        with stage.running("web", tmp_path / "web.log"):  # and no scheduler
            until(stage.healthy, "labelgate web answers")
            number = str(stage.project_id)
            stage.command("connect", "--project", number, "--policy", str(policy))
            serve_model(stage, [text_of(place) for place in range(10_000, 10_300)])
            for job in ("sync", "route", "deliver"):
                stage.command("jobs", "run", job, "--project", number)
            queued = markers(stage.tasks())
            assert len(queued) >= CAPACITY
            answered = stage.view("general")[:3]
            for task_id in answered:
                stage.label("ann", task_id)

            for again in range(3):
                at_work(stage, tmp_path / f"prelabel-{again}.log")
            told = orjson.loads(stage.command("prelabel", "--project", number, "--json"))

            tasks = stage.tasks()
            assert predictions(stage) == sum(len(task["predictions"]) for task in tasks)
            shown = labels_stand_once(stage, tasks, answered)
            assert markers(tasks) == queued
            blind = TASKS - len(shown) - len(answered)
            assert told == {
                "project": stage.project_id,
                "asked": TASKS,
                "shown": len(shown),
                "answered": len(answered),
                "blind": blind,
                "unanswered": 0,
                "waiting": 0,
                "why_unanswered": None,
            }

            said = stage.command("prelabel", "--project", number)
            assert said.startswith(f"{len(shown):,} of {TASKS:,} tasks asked for so far show")
            # A run where nothing is to be done writes nothing.
            assert updates(stage.tasks()) == updates(tasks)
        with stage.runtime.reads() as session:
            assert verify_ledger(session, stage.project_id).broken_seq is None


def at_work(stage: Stage, log: Path) -> None:
    """Start it as a user would, and kill it as soon as Label Studio has taken or lost something."""
    before = predictions(stage)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "labelgate", "prelabel", "--project", str(stage.project_id)],
            env=stage.settings.process_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        look: Callable[[], bool] = lambda: (  # noqa: E731
            predictions(stage) != before or process.poll() is not None
        )
        until(look, "Label Studio was written to")
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL, log.read_text("utf-8")


def predictions(stage: Stage) -> int:
    """How many Label Studio counts."""
    count: int = stage.get(f"/api/projects/{stage.project_id}/")["total_predictions_number"]
    return count


def labels_stand_once(stage: Stage, tasks: list[dict[str, Any]], answered: list[int]) -> set[int]:
    """The tasks that show the label of the ledger, by what Label Studio says; once each."""
    decided = stage.decisions()
    shown = set()
    for task in tasks:
        versions = Counter(each["model_version"] for each in task["predictions"])
        assert set(versions.values()) <= {1}, (task["id"], versions)
        if task["id"] in answered:
            continue
        decision = decided[task["id"]]
        says = [each["result"] for each in task["predictions"] if each["result"]]
        if decision.purpose is Purpose.ROUTED:
            [[region]] = says
            assert region["value"]["choices"] == [decision.label]
            assert versions["v1"] == 1
            shown.add(task["id"])
        else:
            assert says == []
    purposes = Counter(each.purpose for each in decided.values())
    assert min(purposes[Purpose.CONTROL], purposes[Purpose.HOLDOUT]) > TASKS // 20
    return shown


def markers(tasks: list[dict[str, Any]]) -> dict[int, str]:
    """The view that each queued task is in, by its marker; each with one rank."""
    found = {}
    for task in tasks:
        empty = sorted(each["model_version"] for each in task["predictions"] if not each["result"])
        if empty:
            rank, marker = empty
            assert re.fullmatch(r"labelgate #\d+", rank), empty
            found[task["id"]] = marker.removeprefix("labelgate: ")
    return found


def updates(tasks: list[dict[str, Any]]) -> dict[int, str]:
    """When each task was last written to."""
    return {task["id"]: task["updated_at"] for task in tasks}
