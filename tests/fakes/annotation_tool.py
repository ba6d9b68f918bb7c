"""An annotation tool in memory, with those habits of Label Studio that matter.

``tests/contract/test_annotation_tool.py`` runs the same test on this and on the real server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    Prelabel,
    Project,
    Task,
    User,
)
from connectors.label_studio.labeling import parse_labeling
from tests.fakes.label_studio_server import ROBOT_ID, FakePrediction, FakeServer, FakeTask


@dataclass(slots=True, kw_only=True)
class Failure:
    error: Exception
    afterwards: bool


@dataclass(slots=True, kw_only=True)
class FakeAnnotationTool:
    """Implements ``AnnotationTool`` on a ``FakeServer``; ``calls`` lists the methods called.

    ``rows_to_drop`` rows of the next import are dropped without a word, as Label Studio does.
    """

    server: FakeServer
    page_size: int = 1000
    calls: list[str] = field(default_factory=list)
    rows_to_drop: int = 0
    view_ids: dict[tuple[int, str], int] = field(default_factory=dict)
    _failures: dict[str, list[Failure]] = field(default_factory=dict)

    def fail_next(self, method: str, error: Exception, *, afterwards: bool = False) -> None:
        """The next call of ``method`` raises; ``afterwards``: once its work is done, as a timeout.

        May be called several times, for as many calls in a row.
        """
        self._failures.setdefault(method, []).append(Failure(error=error, afterwards=afterwards))

    def project(self, title_or_id: str) -> Project:
        with self._call("project"):
            found = [each for each in self.server.projects.values() if str(each.id) == title_or_id]
            found = found or [
                each for each in self.server.projects.values() if each.title == title_or_id
            ]
            if len(found) != 1:
                known = ", ".join(
                    f"{each.title!r} (id {each.id})" for each in self.server.projects.values()
                )
                raise AnnotationToolRefusedError(f"no project {title_or_id!r}; there are: {known}")
            return found[0]

    def titled(self, title: str) -> list[Project]:
        with self._call("titled"):
            return [each for each in self.server.projects.values() if each.title == title]

    def create_project(self, title: str, label_config: str) -> Project:
        with self._call("create_project"):
            return self.server.projects[self.server.add_project(title, label_config)]

    def set_label_config(self, project_id: int, label_config: str) -> None:
        with self._call("set_label_config"):
            self.server.projects[project_id] = replace(
                self.server.projects[project_id], label_config=label_config
            )

    def users(self) -> list[User]:
        with self._call("users"):
            return [User(id=user_id, email=email) for user_id, email in self.server.members.items()]

    def robot_id(self) -> int:
        with self._call("robot_id"):
            return ROBOT_ID

    def tasks_after(self, project_id: int, task_id: int) -> Iterator[list[Task]]:
        with self._call("tasks_after"):
            return self._pages(
                [_task(each) for each in self.server.of_project(project_id) if each.id > task_id]
            )

    def annotated_since(self, project_id: int, since: datetime | None) -> Iterator[list[Task]]:
        with self._call("annotated_since"):
            changed = [
                each
                for each in self.server.of_project(project_id)
                if since is None or each.updated_at > since
            ]
            return self._pages(_annotated(self._counted(changed)))

    def all_with_annotations(self, project_id: int) -> Iterator[list[Task]]:
        with self._call("all_with_annotations"):
            return self._pages(
                [_task(each, annotated=True) for each in self.server.of_project(project_id)]
            )

    def annotated_among(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        with self._call("annotated_among"):
            return _annotated(self._counted(self._selected(project_id, task_ids)))

    def answers_to(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        with self._call("answers_to"):
            return _annotated(self._selected(project_id, task_ids))

    def _counted(self, tasks: Sequence[FakeTask]) -> list[FakeTask]:
        """Those of which the server knows that they have answers."""
        return [each for each in tasks if each.id not in self.server.miscounted]

    def predicted_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        with self._call("predicted_among"):
            return sorted(
                each.id for each in self._selected(project_id, task_ids) if each.predictions
            )

    def marked_among(self, project_id: int, task_ids: Sequence[int], marker: str) -> list[int]:
        with self._call("marked_among"):
            return sorted(
                each.id
                for each in self._selected(project_id, task_ids)
                if any(marker in found.prelabel.model_version for found in each.predictions)
            )

    def put_view(self, project_id: int, title: str, marker: str) -> int:
        with self._call("put_view"):
            view_id = self.view_ids.setdefault((project_id, title), 0) or self.server.next_id()
            self.view_ids[project_id, title] = view_id
            self.server.views[view_id] = (project_id, marker)
            return view_id

    def view_id(self, project_id: int, title_or_id: str) -> int:
        with self._call("view_id"):
            known = {
                title: view_id
                for (project, title), view_id in self.view_ids.items()
                if project == project_id
            }
            if title_or_id in map(str, known.values()):
                return int(title_or_id)
            if title_or_id not in known:
                raise AnnotationToolRefusedError(f"no view {title_or_id!r}; there are: {known}")
            return known[title_or_id]

    def tasks_in_view(self, project_id: int, view_id: int) -> list[Task]:
        with self._call("tasks_in_view"):
            owner, marker = self.server.views[view_id]
            held = [
                each
                for each in self.server.of_project(project_id)
                if owner == project_id and not each.is_labeled and _of_version(each, marker)
            ]
            return [_task(each) for each in sorted(held, key=_versions)]

    def open_among(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        with self._call("open_among"):
            return sorted(
                each.id for each in self._selected(project_id, task_ids) if not each.is_labeled
            )

    def import_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
        with self._call("import_tasks"):
            controls = parse_labeling(self.server.projects[project_id].label_config).controls
            shown = {key for control in controls for key in control.data_keys}
            if any(shown - each.keys() for each in data):
                raise AnnotationToolRefusedError(f"some data lacks one of {sorted(shown)}")
            return self.server.add_tasks(project_id, data)

    def remove_untouched(self, project_id: int, task_ids: Sequence[int]) -> list[int]:
        with self._call("remove_untouched"):
            for task in self._selected(project_id, task_ids):
                if not task.annotations and task.id not in self.server.drafts:
                    self.server.delete_task(task.id)
            left = {each.id for each in self._selected(project_id, task_ids)}
            return [task_id for task_id in task_ids if task_id not in left]

    def import_predictions(self, project_id: int, prelabels: Sequence[Prelabel]) -> int:
        with self._call("import_predictions"):
            known = {each.id for each in self.server.of_project(project_id)}
            taken = [each for each in prelabels if each.task_id in known][self.rows_to_drop :]
            self.rows_to_drop = 0
            for prelabel in taken:
                task = self.server.tasks[prelabel.task_id]
                task.predictions.append(FakePrediction(id=self.server.next_id(), prelabel=prelabel))
                task.updated_at = self.server.clock()
            return len(taken)

    def clear_predictions(self, project_id: int, task_ids: Sequence[int]) -> None:
        with self._call("clear_predictions"):
            for task in self._selected(project_id, task_ids):
                task.predictions = []
                task.annotations = [
                    replace(each, parent_prediction_id=None) for each in task.annotations
                ]

    def accept(self, project_id: int, task_ids: Sequence[int], model_version: str) -> int:
        with self._call("accept"):
            created = 0
            for task in self._selected(project_id, task_ids):
                parents = {each.parent_prediction_id for each in task.annotations}
                for prediction in _of_version(task, model_version):
                    if prediction.id not in parents:
                        result = prediction.prelabel.result
                        self.server.annotate(ROBOT_ID, task, result, parent=prediction.id)
                        created += 1
            return created

    def withdraw(self, project_id: int, task_ids: Sequence[int]) -> int:
        with self._call("withdraw"):
            withdrawn = [
                annotation.id
                for task in self._selected(project_id, task_ids)
                for annotation in task.annotations
                if annotation.user_id == ROBOT_ID
            ]
            for annotation_id in withdrawn:
                self.server.delete_annotation(annotation_id)
            return len(withdrawn)

    def set_overlap(self, task_id: int, overlap: int) -> None:
        with self._call("set_overlap"):
            if task_id not in self.server.tasks:
                raise AnnotationToolRefusedError(f"no task {task_id}")
            self.server.tasks[task_id].overlap = overlap

    def show_version(self, project_id: int, model_version: str) -> None:
        with self._call("show_version"):
            if not any(
                _of_version(task, model_version) for task in self.server.of_project(project_id)
            ):
                raise AnnotationToolRefusedError(f"model version {model_version!r} doesn't exist")
            self.server.projects[project_id] = replace(
                self.server.projects[project_id], model_version=model_version
            )

    def download(self, path: str) -> bytes:
        with self._call("download"):
            if path not in self.server.files:
                raise AnnotationToolRefusedError(f"no such file: {path}")
            return self.server.files[path]

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        self.calls.append(method)
        failures = self._failures.get(method)
        failure = failures.pop(0) if failures else None
        if failure is not None and not failure.afterwards:
            raise failure.error
        yield
        if failure is not None:
            raise failure.error

    def _selected(self, project_id: int, task_ids: Sequence[int]) -> list[FakeTask]:
        found = [
            self.server.tasks[each] for each in dict.fromkeys(task_ids) if each in self.server.tasks
        ]
        return [task for task in found if task.project_id == project_id]

    def _pages(self, tasks: Sequence[Task]) -> Iterator[list[Task]]:
        ordered = sorted(tasks, key=lambda task: task.id)
        for start in range(0, len(ordered), self.page_size):
            yield ordered[start : start + self.page_size]


def _of_version(task: FakeTask, model_version: str) -> list[FakePrediction]:
    return [each for each in task.predictions if each.prelabel.model_version == model_version]


def _versions(task: FakeTask) -> tuple[str, int]:
    """What a view orders by: the versions of a task's predictions, joined as they came in."""
    return ",".join(each.prelabel.model_version for each in task.predictions), task.id


def _annotated(tasks: Sequence[FakeTask]) -> list[Task]:
    return [_task(each, annotated=True) for each in tasks if each.annotations]


def _task(task: FakeTask, *, annotated: bool = False) -> Task:
    return Task(
        id=task.id,
        data=dict(task.data),
        created_at=task.created_at,
        updated_at=task.updated_at,
        annotations=tuple(task.annotations) if annotated else (),
    )
