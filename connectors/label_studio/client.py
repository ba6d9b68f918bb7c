"""The annotation tool of production: Label Studio 1.23 through its bulk routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
    Prelabel,
    Project,
    Task,
    User,
)
from connectors.label_studio import copies, project_lists, provisioning, queries
from connectors.label_studio.connection import Connection
from connectors.label_studio.convert import prelabel_row
from connectors.label_studio.task_lists import pages_by_id, rows_of, unlabelled_in_view

Item = TypeVar("Item")

WRITE_CHUNK = 1000  # tasks in one bulk action: a second or so, far below any proxy's timeout
CLEAR_CHUNK = 500  # deleting predictions is the slowest action by far
IMPORT_CHUNK = 5000  # each import recounts the whole project, so few large ones are faster
ID_CHUNK = 500  # ids in one address: under 6 kB, below the 8 kB that web servers allow
# A task counts as answered by a skip as well, which Label Studio counts apart.
ANSWERED = (
    (queries.any_of("total_annotations"),),
    (queries.none_of("total_annotations"), queries.any_of("cancelled_annotations")),
    # An import recounts the whole project and writes its counts without a lock: an answer that
    # came meanwhile is counted as none, and only the mark of the task is right.
    (
        queries.none_of("total_annotations"),
        queries.none_of("cancelled_annotations"),
        queries.labelled(),
    ),
)


class LabelStudioTool:
    """``AnnotationTool`` on a Label Studio server.

    ``token`` is an admin's and does everything but accept; ``robot_token`` is the robot user's, so
    that accepted labels carry its name. Both may be legacy or personal access tokens.
    """

    def __init__(
        self, url: str, token: str, robot_token: str | None = None, *, timeout_s: float = 120.0
    ) -> None:
        self._admin = Connection(
            url, token, setting="LABELGATE_LABEL_STUDIO_TOKEN", timeout_s=timeout_s
        )
        self._robot = (
            Connection(url, robot_token, setting="LABELGATE_ROBOT_TOKEN", timeout_s=timeout_s)
            if robot_token
            else None
        )
        self._projects_with_annotator_choice: set[int] = set()

    def project(self, title_or_id: str) -> Project:
        """The project of this id, or else of exactly this title."""
        return project_lists.find_project(self._admin, title_or_id)

    def titled(self, title: str) -> list[Project]:
        """Every project of exactly this title."""
        return project_lists.titled(self._admin, title)

    def create_project(self, title: str, label_config: str) -> Project:
        """A new project that shows nobody's predictions."""
        return project_lists.create_project(self._admin, title, label_config)

    def set_label_config(self, project_id: int, label_config: str) -> None:
        """Change what a project asks; refused where answers that it has say otherwise."""
        body = {"label_config": label_config}
        self._admin.repeatable("PATCH", f"/api/projects/{project_id}/", body)

    def users(self) -> list[User]:
        """All members of the organisation."""
        rows = self._admin.get("/api/users/")
        return [User(id=row["id"], email=row["email"]) for row in rows_of(rows, "users")]

    def robot_id(self) -> int:
        """The user of the robot's token; asked once."""
        return self._robot_id

    def tasks_after(self, project_id: int, task_id: int) -> Iterator[list[Task]]:
        """Tasks with an id above ``task_id``, ascending, in pages, without annotations."""
        return pages_by_id(self._admin, project_id, after=task_id)

    def annotated_since(self, project_id: int, since: datetime | None) -> Iterator[list[Task]]:
        """Tasks that have annotations and changed after ``since``, with annotations."""
        changed = () if since is None else (queries.updated_after(since.astimezone(UTC)),)
        for answered in ANSWERED:
            for page in pages_by_id(
                self._admin, project_id, (*changed, *answered), with_annotations=True
            ):
                found = [task for task in page if task.annotations]
                if found:
                    yield found

    def all_with_annotations(self, project_id: int) -> Iterator[list[Task]]:
        """Every task, in pages, with its annotations, by no filter that could miss one."""
        return pages_by_id(self._admin, project_id, with_annotations=True)

    def annotated_among(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """Those of ``task_ids`` that have at least one annotation, with their annotations."""
        return [
            task
            for chunk in _chunks(task_ids, ID_CHUNK)
            for answered in ANSWERED
            for page in pages_by_id(
                self._admin, project_id, (queries.id_among(chunk), *answered), with_annotations=True
            )
            for task in page
            if task.annotations
        ]

    def answers_to(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """The same for a few tasks, even where Label Studio has lost count of their annotations."""
        return [
            task
            for chunk in _chunks(task_ids, ID_CHUNK)
            for page in pages_by_id(
                self._admin, project_id, (queries.id_among(chunk),), with_annotations=True
            )
            for task in page
            if task.annotations
        ]

    def predicted_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Those of ``task_ids`` that have at least one prediction; a marker counts.

        The counter alone does not tell: Label Studio sets it after an import, so one that dies in
        between has predictions that it counts as none. A row without a version is only counted.
        """
        found: list[int] = []
        for chunk in _chunks(task_ids, ID_CHUNK):
            counted = self._ids(project_id, chunk, queries.any_of("total_predictions"))
            others = sorted(set(chunk) - counted)
            versioned = self._ids(project_id, others, queries.any_version()) if others else set()
            found += sorted(counted | versioned)
        return found

    def _ids(self, project_id: int, chunk: Sequence[int], which: queries.Filter) -> set[int]:
        """A task is listed once for each of its rows that the filter finds."""
        pages = pages_by_id(self._admin, project_id, (queries.id_among(chunk), which))
        return {task.id for page in pages for task in page}

    def marked_among(self, project_id: int, task_ids: Sequence[int], marker: str) -> list[int]:
        """Those of ``task_ids`` that have a prediction whose model version contains ``marker``."""
        return [
            task_id
            for chunk in _chunks(task_ids, ID_CHUNK)
            for task_id in sorted(self._ids(project_id, chunk, queries.has_version(marker)))
        ]

    def put_view(self, project_id: int, title: str, marker: str) -> int:
        """Let the view of this title show the tasks with this marker; its id."""
        return provisioning.put_view(self._admin, project_id, title, marker)

    def view_id(self, project_id: int, title_or_id: str) -> int:
        """The view of this number, or else of exactly this title."""
        return provisioning.find_view(self._admin, project_id, title_or_id)

    def tasks_in_view(self, project_id: int, view_id: int) -> list[Task]:
        """The unlabelled tasks that a view hands out, in its order, without annotations."""
        return unlabelled_in_view(self._admin, project_id, view_id)

    def open_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Those of ``task_ids`` that are there and still want answers."""
        return copies.open_among(self._admin, project_id, task_ids)

    def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
        """Make tasks of data alone, in bulk; their ids, in the same order."""
        return copies.import_tasks(self._admin, project_id, data)

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        """Delete those of ``task_ids`` with no answer, skip or draft; all that are gone now."""
        return copies.remove_untouched(self._admin, project_id, task_ids)

    def import_predictions(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        """Import in bulk; the number that Label Studio says it created.

        After ``AnnotationToolUnavailableError`` an unknown part has been imported: importing the
        same again would double it, so look first.
        """
        return sum(self._import(project_id, chunk) for chunk in _chunks(prelabels, IMPORT_CHUNK))

    def clear_predictions(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete every prediction and marker of these tasks; annotations stay."""
        path = _action("delete_tasks_predictions", project_id)
        for chunk in _chunks(task_ids, CLEAR_CHUNK):
            self._admin.repeatable("POST", path, queries.selected(chunk))

    def accept(self, project_id: int, task_ids: Sequence[int], model_version: str) -> int:
        """Turn this version's predictions into the robot's annotations; how many were created."""
        path = _action("predictions_to_annotations", project_id)
        created = 0
        for chunk in _chunks(task_ids, WRITE_CHUNK):
            body = queries.selected(chunk) | {"model_version": model_version}
            answer = self._as_robot.once("POST", path, body)
            match = re.fullmatch(r"Created (\d+) annotations", str(answer.get("detail")))
            if match is None:
                raise AnnotationToolUnavailableError(
                    f"Label Studio did not say how many annotations it created: {answer!r:.200}"
                )
            created += int(match[1])
        return created

    def withdraw(self, project_id: int, task_ids: Sequence[int]) -> int:
        """Delete the robot's annotations on these tasks, never a person's; how many were deleted.

        One action deletes by annotator (ADR 0006). A server that did not know the parameter would
        delete everybody's work, so the action's own form is asked first whether it offers it.
        """
        if not task_ids:
            return 0
        if project_id not in self._projects_with_annotator_choice:
            self._require_annotator_choice(project_id)
            self._projects_with_annotator_choice.add(project_id)
        path = _action("delete_tasks_annotations", project_id)
        robot = {"annotator": str(self.robot_id())}
        return sum(
            _count(
                self._admin.repeatable("POST", path, queries.selected(chunk) | robot),
                "processed_items",
            )
            for chunk in _chunks(task_ids, WRITE_CHUNK)
        )

    def set_overlap(self, task_id: int, overlap: int) -> None:
        """How many people the tool asks for this task; with fewer answers it is open again.

        Label Studio leaves a labelled task labelled when its overlap rises. The last answer may
        come while the task is opened: then it is closed again, or it would stay open for ever.
        """
        path = f"/api/tasks/{task_id}/"
        task = self._admin.repeatable("PATCH", path, {"overlap": overlap})
        if task["is_labeled"] and _people(task) < overlap:
            task = self._admin.repeatable("PATCH", path, {"is_labeled": False})
            if _people(task) >= overlap:
                self._admin.repeatable("PATCH", path, {"is_labeled": True})

    def show_version(self, project_id: int, model_version: str) -> None:
        """Make this version the one whose predictions are shown and ordered by.

        Refused while no prediction of this version has been imported.
        """
        body = {"model_version": model_version}
        self._admin.repeatable("PATCH", f"/api/projects/{project_id}/", body)

    def download(self, path: str) -> bytes:
        """A file that was uploaded into Label Studio, by the path in the task's data."""
        return self._admin.download(path)

    def _import(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        path = f"/api/projects/{project_id}/import/predictions"
        try:
            answer = self._admin.once("POST", path, [prelabel_row(each) for each in prelabels])
        except AnnotationToolRefusedError:
            # One task that was deleted meanwhile makes Label Studio refuse the whole import.
            standing = self._existing(project_id, [each.task_id for each in prelabels])
            left = [each for each in prelabels if each.task_id in standing]
            if len(left) == len(prelabels):
                raise
            return self._import(project_id, left) if left else 0
        return _count(answer, "created")

    def _existing(self, project_id: int, task_ids: Sequence[int]) -> set[int]:
        return {
            task.id
            for chunk in _chunks(task_ids, ID_CHUNK)
            for page in pages_by_id(self._admin, project_id, (queries.id_among(chunk),))
            for task in page
        }

    @property
    def _as_robot(self) -> Connection:
        if self._robot is None:
            raise AnnotationToolRefusedError(
                "LABELGATE_ROBOT_TOKEN is not set: `labelgate connect` makes the robot user"
            )
        return self._robot

    @cached_property
    def _robot_id(self) -> int:
        return _count(self._as_robot.get("/api/current-user/whoami"), "id")

    def _require_annotator_choice(self, project_id: int) -> None:
        form = self._admin.get(
            "/api/dm/actions/delete_tasks_annotations/form/", {"project": project_id}
        )
        names = [field.get("name") for column in form or () for field in column.get("fields", ())]
        if "annotator" not in names:
            raise AnnotationToolRefusedError(
                f"Label Studio at {self._admin.url} cannot delete the annotations of one user "
                "alone: it is older than 1.23; update it, so that no person's work is at risk"
            )


def _count(answer: Any, field: str) -> int:
    value = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(value, int):
        raise AnnotationToolUnavailableError(
            f"Label Studio's answer lacks the number {field!r}: {answer!r:.200}"
        )
    return value


def _action(name: str, project_id: int) -> str:
    return f"/api/dm/actions?id={name}&project={project_id}"


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _people(task: dict[str, Any]) -> int:
    """How many people answered a task; who skipped it did not."""
    return len({each["completed_by"] for each in task["annotations"] if not each["was_cancelled"]})
