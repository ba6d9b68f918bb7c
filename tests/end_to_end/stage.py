"""A real project on a real Label Studio with a real ``labelgate serve`` beside it."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from backend.bootstrap import build_runtime
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.decisions import current_decisions
from backend.store.model_tables import TrainingRequestRow
from backend.store.projects import ConnectedProject, active_project
from connectors.label_studio.answers import answer_of
from connectors.label_studio.labeling import parse_labeling
from connectors.loopback import free_port
from policies.domain import Decision, Outcome, Purpose
from tests.running_label_studio import RunningLabelStudio
from tests.waiting import PATIENCE_S

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text">'
    '<Choice value="billing"/><Choice value="login"/><Choice value="shipping"/></Choices></View>'
)
WORDS = {
    "billing": "invoice charge refund card payment receipt amount bank",
    "login": "password account reset email locked code access session",
    "shipping": "parcel delivery late courier address tracking box customs",
}


def text_of(place: int) -> tuple[str, str]:
    """A short text and its true topic; words are drawn in a fixed pattern."""
    topic = list(WORDS)[place % 3]
    words = WORDS[topic].split()
    chosen = [words[(place * step + step) % len(words)] for step in (1, 3, 5)]
    return f"{' '.join(chosen)} case {place}", topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The project, its people, and the servers that play.

    ``submitted`` are the annotations that people made, as Label Studio numbered them.
    """

    label_studio: RunningLabelStudio
    settings: Settings
    runtime: Runtime
    project_id: int
    truth: dict[int, str]
    tokens: dict[str, str] = field(repr=False)
    client: httpx.Client = field(repr=False)
    submitted: list[int] = field(default_factory=list, repr=False)

    @property
    def project(self) -> ConnectedProject:
        """The project as it is connected now."""
        with self.runtime.reads() as session:
            project = active_project(session, self.project_id)
        assert project is not None
        return project

    def view(self, name: str) -> list[int]:
        """The unlabelled tasks that a view hands out, in its order."""
        view_id = self.project.views[name]
        tasks = self.runtime.tool().tasks_in_view(self.project_id, view_id)
        return [task.id for task in tasks]

    def label(self, person: str, task_id: int, topic: str | None = None) -> None:
        """Submit an answer as that person; the truth unless another topic is given."""
        self.submit(person, task_id, result_of(topic or self.truth[task_id]))

    def submit(self, person: str, task_id: int, result: list[dict[str, Any]]) -> None:
        """Submit what that person marked, whatever the project asks."""
        response = self.client.post(
            f"/api/tasks/{task_id}/annotations/",
            headers={"Authorization": f"Token {self.tokens[person]}"},
            json={"result": result, "lead_time": 1.5},
        )
        assert response.status_code == 201, response.text
        self.submitted.append(response.json()["id"])

    def skip(self, person: str, task_id: int) -> None:
        """Skip a task as that person."""
        response = self.client.post(
            f"/api/tasks/{task_id}/annotations/",
            headers={"Authorization": f"Token {self.tokens[person]}"},
            json={"result": [], "was_cancelled": True},
        )
        assert response.status_code == 201, response.text

    def add_tasks(self, places: Sequence[int], ending: str = "") -> list[int]:
        """Import the texts of these places, which no task has yet; the ids of the new tasks."""
        texts = {place: text_of(place) for place in places}
        rows = [{"text": text + ending, "place": place} for place, (text, _) in texts.items()]
        response = self.client.post(f"/api/projects/{self.project_id}/import", json=rows)
        assert response.status_code == 201, response.text
        new = {
            task["id"]: texts[task["data"]["place"]][1]
            for task in self.tasks()
            if task["data"]["place"] in texts
        }
        assert len(new) == len(places)
        self.truth.update(new)
        return sorted(new)

    def decisions(self) -> dict[int, Decision]:
        """The current decision of every task."""
        with self.runtime.reads() as session:
            found = current_decisions(session, self.project_id)
            return {each.decision.task_id: each.decision for each in found}

    def trainings_asked_for(self) -> list[str]:
        """Why trainings were asked for so far."""
        here = TrainingRequestRow.project_id == self.project_id
        with self.runtime.reads() as session:
            asked = session.scalars(select(TrainingRequestRow.reasons).where(here))
            return [reason for reasons in asked for reason in reasons]

    def robots_answers(self) -> dict[int, str] | None:
        """What the robot says in Label Studio, once that is what the ledger wishes; else None."""
        with self.runtime.reads() as session:
            wished = {
                each.decision.task_id: each.decision.label
                for each in current_decisions(session, self.project_id, labelled=False)
                if each.decision.outcome is Outcome.ACCEPT
                and each.decision.purpose is Purpose.ROUTED
            }
        robot, labeling = self.project.robot_id, parse_labeling(self.project.label_config)
        seen = {
            task["id"]: answer_of(labeling, each["result"]) or ""
            for task in self.tasks()
            for each in task["annotations"]
            if each["completed_by"] == robot
        }
        return seen if seen == wished else None

    def task(self, task_id: int) -> dict[str, Any]:
        """A task as Label Studio shows it to its admin, opened as a person would."""
        task: dict[str, Any] = self.get(f"/api/tasks/{task_id}/")
        return task

    def get(self, path: str, **params: Any) -> Any:
        """A GET to Label Studio as its admin."""
        response = self.client.get(path, params=params)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text[:200]}"
        return response.json()

    def post(self, path: str) -> None:
        """A POST without content to Label Studio as its admin."""
        response = self.client.post(path, json={})
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text[:200]}"

    def tasks(self) -> list[dict[str, Any]]:
        """Every task with all annotations and predictions."""
        found: list[dict[str, Any]] = []
        total, page = 1, 0
        while len(found) < total:
            page += 1
            rows = self.get(
                "/api/tasks", project=self.project_id, fields="all", page=page, page_size=100
            )
            total = rows["total"]
            found.extend(rows["tasks"])
        return found

    def metrics(self) -> str:
        """What Prometheus would read."""
        return httpx.get(f"{self.settings.own_url}/metrics", timeout=30).text

    def command(self, *arguments: str, succeeds: bool = True) -> str:
        """Run a ``labelgate`` command as a user would; its standard output."""
        ended = subprocess.run(
            [sys.executable, "-m", "labelgate", *arguments],
            env=self.settings.process_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (ended.returncode == 0) == succeeds, ended.stdout + ended.stderr
        return ended.stdout

    @contextmanager
    def running(self, command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A ``labelgate`` server process; ended with SIGTERM, which must end it cleanly."""
        with (
            log.open("ab") as output,
            subprocess.Popen(
                [sys.executable, "-m", "labelgate", command],
                env=self.settings.process_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def healthy(self) -> bool:
        """True where Labelgate answers."""
        try:
            return httpx.get(f"{self.settings.own_url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def result_of(topic: str) -> list[dict[str, Any]]:
    """The answer of a person who chose this topic in the browser."""
    return [
        {
            "id": secrets.token_hex(5),
            "from_name": "topic",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [topic]},
        }
    ]


@contextmanager
def make_stage(
    label_studio: RunningLabelStudio,
    folder: Path,
    tasks: int,
    *,
    sync_interval_s: float = 3,
    **more: Any,
) -> Iterator[Stage]:
    """A project with ``tasks`` texts, two annotators and a senior; nothing runs yet.

    ``more`` are settings of Labelgate beside those that the stage needs.
    """
    project_id = label_studio.project("loop", CONFIG)
    tokens = {}
    for person in ("ann", "bob", "sen"):
        _, tokens[person] = label_studio.new_user(person)
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=120) as client:
        rows = [{"text": text_of(place)[0], "place": place} for place in range(tasks)]
        response = client.post(f"/api/projects/{project_id}/import", json=rows)
        assert response.status_code == 201, response.text
        given: dict[str, Any] = {
            "data_dir": folder / "labelgate",
            "label_studio_url": label_studio.url,
            "label_studio_token": label_studio.token,
            # The session's server is shared, and a robot's token is given out only once.
            "robot_token": label_studio.new_user("robot")[1],
            "port": free_port(),
            "sync_interval_s": sync_interval_s,
        }
        settings = Settings(**given | more)
        runtime = build_runtime(settings)
        stage = Stage(
            label_studio=label_studio,
            settings=settings,
            runtime=runtime,
            project_id=project_id,
            truth={},
            tokens=tokens,
            client=client,
        )
        for task in stage.tasks():
            stage.truth[task["id"]] = text_of(task["data"]["place"])[1]
        yield stage
        runtime.sessions.kw["bind"].dispose()
