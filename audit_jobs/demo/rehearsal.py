"""The demo's loop: people label, jobs run, the model retrains, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from audit_jobs.cycle import figures
from audit_jobs.demo.dataset import Dataset
from audit_jobs.demo.people import Desk, Person, work_off
from audit_jobs.demo.rules import demo_policy
from audit_jobs.demo.servers import labelgate, settings_for, wait_until_healthy
from audit_jobs.running import run_job
from audit_jobs.simulation.reviewers import neighbours_of
from backend.bootstrap import build_runtime
from backend.connecting import connect_project
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.figures import ProjectFigures, project_figures
from backend.store.projects import ConnectedProject
from backend.store.tallies import accepted_labels
from backend.store.tasks import stored_tasks
from connectors.label_studio.accounts import add_user
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.local_server import LocalLabelStudio, start_label_studio

# Name, tier, share of wrong answers: three annotators who differ, and a senior one.
PEOPLE = (
    ("ann", "general", 0.02),
    ("bob", "general", 0.04),
    ("cleo", "general", 0.07),
    ("sam", "senior", 0.004),
)
MOST_CYCLES = 25

Say = Callable[[str], None]
Bar = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that the demo plays on. ``budget`` is the number of human labels it may spend."""

    dataset: Dataset
    label_studio: LocalLabelStudio
    settings: Settings
    runtime: Runtime
    project: ConnectedProject
    people: Sequence[Person]
    desk: Desk
    budget: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to play: the data, the seed of people's errors, and how many labels they may give."""

    dataset: Dataset
    seed: int
    budget: int


def set_up(folder: Path, plan: Plan, servers: ExitStack, say: Say) -> Stage:
    """Start servers, make people and project, import tasks, connect; ``servers`` ends them."""
    dataset = plan.dataset
    say("starting Label Studio")
    label_studio = servers.enter_context(start_label_studio(folder / "label-studio"))
    settings = settings_for(folder, label_studio)
    log = folder / "web.log"
    web = servers.enter_context(labelgate(settings, "web", log))

    say("making three annotators and a senior one")
    admin = Connection(label_studio.url, label_studio.token, setting="LABELGATE_LABEL_STUDIO_TOKEN")
    people = _people(admin, dataset, plan.seed)
    project_id = _make_project(admin, dataset)
    policy_file = folder / "policy.yaml"
    reviewers = {
        tier: [person.email for person in people if person.tier == tier]
        for tier in ("general", "senior")
    }
    policy_file.write_text(
        demo_policy(project_id, reviewers, dataset.labels, len(dataset.tasks)), "utf-8"
    )

    wait_until_healthy(settings.own_url, web, log)
    say("connecting the project")
    runtime = build_runtime(settings)
    project = connect_project(runtime, str(project_id), policy_file)
    desk = Desk(
        url=label_studio.url, labeling=parse_labeling(dataset.label_config), truth=dataset.truth
    )
    return Stage(
        dataset=dataset,
        label_studio=label_studio,
        settings=settings,
        runtime=runtime,
        project=project,
        people=people,
        desk=desk,
        budget=plan.budget,
    )


def play(stage: Stage, say: Say, bar: Bar) -> list[dict[str, Any]]:
    """Run cycles until the budget is spent or nothing is left to label; one row a cycle."""
    rows: list[dict[str, Any]] = []
    spent = 0
    _decide_and_deliver(stage, 0, say)
    for day in range(MOST_CYCLES):
        spent += _label(stage, day, stage.budget - spent, bar)
        _look_back(stage, day, say)
        _decide_and_deliver(stage, day + 1, say)
        rows.append(_row(stage, day))
        if spent >= stage.budget or not _open_tasks(_figures(stage)):
            break
    return rows


def read_back(stage: Stage) -> dict[str, Any]:
    """The figures of the project as Label Studio itself states them."""
    project = httpx.get(
        f"{stage.label_studio.url}/api/projects/{stage.project.id}/",
        headers={"Authorization": f"Token {stage.label_studio.token}"},
        timeout=120,
    ).json()
    return {
        "version": stage.label_studio.version,
        "annotations": project["total_annotations_number"],
        "predictions": project["total_predictions_number"],
        "labeled_tasks": project["num_tasks_with_annotations"],
    }


def summary(stage: Stage, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON of ``labelgate demo --json``."""
    last = rows[-1]
    tasks = len(stage.dataset.tasks)
    return {
        "tasks": tasks,
        "cycles": list(rows),
        "human_labels": last["human_labels"],
        "accepted": last["accepted"],
        "accepted_error": last["accepted_error"],
        "label_saving": 1 - last["human_labels"] / tasks,
        "waiting": _open_tasks(_figures(stage)),
        "label_studio": read_back(stage),
    }


def _people(admin: Connection, dataset: Dataset, seed: int) -> list[Person]:
    people = []
    for place, (name, tier, error_rate) in enumerate(PEOPLE):
        rng = np.random.default_rng([seed, place])
        account = add_user(admin, f"{name}@labelgate.example")
        people.append(
            Person(
                email=account.email,
                token=account.token,
                tier=tier,
                error_rate=error_rate,
                confusion=neighbours_of(dataset.labels, rng),
                rng=rng,
            )
        )
    return people


def _make_project(admin: Connection, dataset: Dataset) -> int:
    made = admin.once(
        "POST",
        "/api/projects/",
        {"title": dataset.title, "label_config": dataset.label_config},
    )
    project_id = int(made["id"])
    admin.once("POST", f"/api/projects/{project_id}/import", dataset.tasks)
    return project_id


def _on(stage: Stage, day: int) -> Runtime:
    """The runtime as of a later day: the days of the demo pass at once."""
    return replace(stage.runtime, now=lambda: datetime.now(UTC) + timedelta(days=day))


def _decide_and_deliver(stage: Stage, day: int, say: Say) -> None:
    say("deciding and delivering")
    for job in ("sync", "escalate", "route", "deliver", "cycle"):
        run_job(_on(stage, day), job, stage.project)


def _label(stage: Stage, day: int, budget: int, bar: Bar) -> int:
    runtime = _on(stage, day)
    given = 0
    advance = bar(f"cycle {day + 1}: people label", _open_tasks(_figures(stage)))
    for name, view_id in stage.project.views.items():
        tier = name if name in ("general", "senior") else "senior"
        people = [person for person in stage.people if person.tier == tier]
        view = partial(runtime.tool().tasks_in_view, stage.project.id, view_id)
        given += work_off(stage.desk, people, view, budget - given, advance)
    return given


def _look_back(stage: Stage, day: int, say: Say) -> None:
    say("reading answers, measuring, retraining")
    for job in ("sync", "agreement", "audit", "retrain"):
        run_job(_on(stage, day), job, stage.project)


def _row(stage: Stage, day: int) -> dict[str, Any]:
    with stage.runtime.reads() as session:
        accepted = accepted_labels(session, stage.project.id)
        tasks = stored_tasks(session, stage.project.id, sorted(accepted))
    body = figures(stage.runtime, stage.project)
    truth = {task.id: stage.dataset.truth[str(task.data["id"])] for task in tasks}
    wrong = [task_id for task_id, label in accepted.items() if truth[task_id] != label]
    return {
        "cycle": day + 1,
        "human_labels": body["human_labels"],
        "accepted": len(accepted),
        "accepted_error": len(wrong) / len(accepted) if accepted else None,
        "holdout_accuracy": body["holdout_accuracy"],
        "agreement": body["agreement"],
        "audit_pass_rate": body["audit_pass_rate"],
        "model_version": body["model_version"],
        "certificates": body["certificates"],
        "cost": body["cost"],
        "cost_all_manual": body["cost_all_manual"],
    }


def _open_tasks(figures: ProjectFigures) -> int:
    return sum(queue.open for queue in figures.queues)


def _figures(stage: Stage) -> ProjectFigures:
    with stage.runtime.reads() as session:
        return project_figures(session, stage.project)
