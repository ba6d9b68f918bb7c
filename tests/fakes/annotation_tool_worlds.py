"""A project with people in it, on the fake and on the real Label Studio, behind the same words."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from connectors.annotation_tool import AnnotationTool
from connectors.label_studio import queries
from connectors.label_studio.answers import result_of
from connectors.label_studio.client import LabelStudioTool
from connectors.label_studio.connection import Connection
from connectors.label_studio.labeling import parse_labeling
from tests.fakes.annotation_tool import FakeAnnotationTool
from tests.fakes.label_studio_server import FakeServer
from tests.running_label_studio import RunningLabelStudio

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="A"/><Choice value="B"/></Choices></View>'
)
LABELING = parse_labeling(CONFIG)


class World(Protocol):
    """A tool, a project of its own in it, and two people who work there."""

    tool: AnnotationTool
    project_id: int
    title: str
    person: int

    def add_tasks(self, texts: Sequence[str]) -> list[int]: ...
    def add_view(self, name: str) -> int: ...
    def submit(self, task_id: int, label: str) -> None: ...
    def submit_second(self, task_id: int, label: str) -> None: ...
    def skip(self, task_id: int) -> None: ...
    def edit(self, annotation_id: int, label: str) -> None: ...
    def mark_ground_truth(self, annotation_id: int) -> None: ...
    def begin(self, task_id: int) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        ticks = (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(milliseconds=n) for n in range(10**6))
        self.server = FakeServer(clock=lambda: next(ticks))
        self.tool: AnnotationTool = FakeAnnotationTool(server=self.server, page_size=2)
        self.title = "contract"
        self.project_id = self.server.add_project(self.title, CONFIG)
        self.server.add_project("another", CONFIG)
        self.person = self.server.add_user("person@example.com")

    def add_tasks(self, texts: Sequence[str]) -> list[int]:
        return self.server.add_tasks(self.project_id, [{"text": text} for text in texts])

    def add_view(self, name: str) -> int:
        return self.server.add_view(self.project_id, name)

    def submit(self, task_id: int, label: str) -> None:
        self.server.submit(self.person, task_id, label)

    def submit_second(self, task_id: int, label: str) -> None:
        self.server.submit(self.server.add_user("second@example.com"), task_id, label)

    def skip(self, task_id: int) -> None:
        self.server.skip(self.person, task_id)

    def edit(self, annotation_id: int, label: str) -> None:
        self.server.edit(self.person, annotation_id, label)

    def mark_ground_truth(self, annotation_id: int) -> None:
        self.server.mark_ground_truth(annotation_id)

    def begin(self, task_id: int) -> None:
        self.server.drafts.add(task_id)


@dataclass(slots=True, kw_only=True)
class RealServer:
    """What the tests of this module share: the robot and one person."""

    server: RunningLabelStudio
    robot_token: str = field(repr=False)
    person: int
    person_token: str = field(repr=False)


class RealWorld:
    def __init__(self, real: RealServer) -> None:
        server = real.server
        self.tool: AnnotationTool = LabelStudioTool(server.url, server.token, real.robot_token)
        self.title = f"contract {secrets.token_hex(4)}"
        self.person = real.person
        self.admin = Connection(server.url, server.token, setting="ADMIN")
        self._as_person = Connection(server.url, real.person_token, setting="PERSON")
        body = {"title": self.title, "label_config": CONFIG}
        self.project_id: int = self.admin.once("POST", "/api/projects/", body)["id"]

    def add_tasks(self, texts: Sequence[str]) -> list[int]:
        path = f"/api/projects/{self.project_id}/import?return_task_ids=1"
        ids: list[int] = self.admin.once("POST", path, [{"text": text} for text in texts])[
            "task_ids"
        ]
        return ids

    def add_view(self, name: str) -> int:
        data = queries.marker_view(name, f"labelgate: {name}", [])
        body = {"project": self.project_id, "data": data}
        view_id: int = self.admin.once("POST", "/api/dm/views/", body)["id"]
        return view_id

    def submit(self, task_id: int, label: str) -> None:
        self._answer(task_id, {"result": result_of(LABELING, label)})

    def submit_second(self, task_id: int, label: str) -> None:
        body = {"result": result_of(LABELING, label)}
        self.admin.once("POST", f"/api/tasks/{task_id}/annotations/", body)

    def skip(self, task_id: int) -> None:
        self._answer(task_id, {"result": [], "was_cancelled": True})

    def edit(self, annotation_id: int, label: str) -> None:
        body = {"result": result_of(LABELING, label)}
        self._as_person.repeatable("PATCH", f"/api/annotations/{annotation_id}/", body)

    def mark_ground_truth(self, annotation_id: int) -> None:
        path = f"/api/annotations/{annotation_id}/"
        self.admin.repeatable("PATCH", path, {"ground_truth": True})

    def begin(self, task_id: int) -> None:
        self.save_draft(task_id)

    def _answer(self, task_id: int, body: dict[str, Any]) -> None:
        self._as_person.once("POST", f"/api/tasks/{task_id}/annotations/", body)

    def next_in(self, view: int) -> dict[str, Any]:
        """The task that the person is handed on "Label Tasks As Displayed", as the page asks."""
        data = self.admin.get(f"/api/dm/views/{view}/", {"project": self.project_id})["data"]
        path = f"/api/dm/actions?id=next_task&project={self.project_id}"
        body = {"filters": data["filters"], "ordering": data["ordering"]}
        served: dict[str, Any] = self._as_person.once("POST", path, body)
        return served

    def save_draft(self, task_id: int) -> int:
        body = {"result": result_of(LABELING, "A"), "lead_time": 1}
        draft_id: int = self._as_person.once("POST", f"/api/tasks/{task_id}/drafts", body)["id"]
        return draft_id
