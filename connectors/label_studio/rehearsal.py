"""A throw-away project in which everything is tried that Labelgate does in earnest.

Whoever is told by a diagnosis that a right is missing wants to know it before any real task is
touched: so each step is done, and the whole project is deleted again.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connectors.annotation_tool import AnnotationToolError, AnnotationToolRefusedError
from connectors.label_studio import queries
from connectors.label_studio.connection import Connection, NotFoundError
from connectors.label_studio.provisioning import MARKER
from connectors.label_studio.task_lists import pages_by_id

TITLE = "Labelgate doctor {}"
_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="answer" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)
_VERSION = "labelgate-doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was tried; ``problem`` says why it could not be done, None where it was."""

    name: str
    problem: str | None


@contextmanager
def throw_away_project(admin: Connection) -> Iterator[int]:
    """A new project, deleted at the end whatever happens; an ``AnnotationToolError`` if refused."""
    body = {"title": TITLE.format(secrets.token_hex(4)), "label_config": _CONFIG}
    project_id = int(admin.once("POST", "/api/projects/", body)["id"])
    try:
        yield project_id
    finally:
        with contextlib.suppress(NotFoundError):
            admin.repeatable("DELETE", f"/api/projects/{project_id}/")


def rehearse(
    admin: Connection,
    robot: Connection | None,
    project_id: int,
    webhook_url: str,
    headers: Mapping[str, str],
) -> list[Step]:
    """Try each step in turn; where one fails those that need it are left out.

    The webhook comes first, so that the task that is made later is told of at ``webhook_url``, with
    these headers.
    """
    webhook = {
        "project": project_id,
        "url": webhook_url,
        "headers": dict(headers),
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": ["TASKS_CREATED"],
        "is_active": True,
    }
    view = {"project": project_id, "data": queries.marker_view("doctor", MARKER.format("x"), [])}
    steps = [
        _tried("make a webhook", lambda: admin.once("POST", "/api/webhooks/", webhook)),
        _tried("make a view", lambda: admin.once("POST", "/api/dm/views/", view)),
        _tried("import a task", lambda: _import_task(admin, project_id)),
    ]
    if steps[-1].problem is None:
        steps.append(_tried("import a prediction", lambda: _import_prediction(admin, project_id)))
    if robot is not None and steps[-1].problem is None:
        steps.append(_tried("accept it as the robot", lambda: _accept(admin, robot, project_id)))
    return steps


def _tried(name: str, step: Callable[[], object]) -> Step:
    try:
        step()
    except AnnotationToolError as error:
        return Step(name=name, problem=str(error))
    return Step(name=name, problem=None)


def _import_task(admin: Connection, project_id: int) -> None:
    admin.once("POST", f"/api/projects/{project_id}/import", [{"text": "labelgate doctor"}])


def _tasks(admin: Connection, project_id: int) -> list[int]:
    return [task.id for page in pages_by_id(admin, project_id) for task in page]


def _import_prediction(admin: Connection, project_id: int) -> None:
    value = {"choices": ["yes"]}
    result = [{"from_name": "answer", "to_name": "text", "type": "choices", "value": value}]
    rows: list[dict[str, Any]] = [
        {"task": task_id, "result": result, "score": 0.9, "model_version": _VERSION}
        for task_id in _tasks(admin, project_id)
    ]
    answer = admin.once("POST", f"/api/projects/{project_id}/import/predictions", rows)
    if answer.get("created") != len(rows):
        raise AnnotationToolRefusedError(f"Label Studio created {answer.get('created')!r:.20} of 1")


def _accept(admin: Connection, robot: Connection, project_id: int) -> None:
    path = f"/api/dm/actions?id=predictions_to_annotations&project={project_id}"
    body = queries.selected(_tasks(admin, project_id)) | {"model_version": _VERSION}
    answer = robot.once("POST", path, body)
    if answer.get("detail") != "Created 1 annotations":
        raise AnnotationToolRefusedError(f"Label Studio answered {answer!r:.200}")
