"""What a Label Studio server holds, in memory, and what people and other programs do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.annotation_tool import Annotation, Prelabel, Project
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling

ADMIN_ID, ROBOT_ID = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePrediction:
    id: int
    prelabel: Prelabel


@dataclass(slots=True, kw_only=True)
class FakeTask:
    id: int
    project_id: int
    data: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    overlap: int = 1
    annotations: list[Annotation] = field(default_factory=list)
    predictions: list[FakePrediction] = field(default_factory=list)

    @property
    def is_labeled(self) -> bool:
        people = {each.user_id for each in self.annotations if not each.was_cancelled}
        return len(people) >= self.overlap


@dataclass(slots=True, kw_only=True)
class FakeServer:
    """``clock`` gives the times that rows are stamped with; ids rise over all kinds of rows.

    ``drafts`` are the tasks that somebody has begun to answer, ``miscounted`` those whose answers
    no list names, because the server has lost count of them.
    """

    clock: Callable[[], datetime]
    projects: dict[int, Project] = field(default_factory=dict)
    members: dict[int, str] = field(
        default_factory=lambda: {ADMIN_ID: "admin@example.com", ROBOT_ID: "robot@example.com"}
    )
    tasks: dict[int, FakeTask] = field(default_factory=dict)
    views: dict[int, tuple[int, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    drafts: set[int] = field(default_factory=set)
    miscounted: set[int] = field(default_factory=set)
    _last_id: int = 0

    def add_project(self, title: str, label_config: str) -> int:
        project_id = self.next_id()
        self.projects[project_id] = Project(
            id=project_id, title=title, label_config=label_config, model_version=""
        )
        return project_id

    def add_user(self, email: str) -> int:
        user_id = max(self.members) + 1
        self.members[user_id] = email
        return user_id

    def add_tasks(self, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
        now = self.clock()
        ids = [self.next_id() for _ in data]
        for task_id, each in zip(ids, data, strict=True):
            self.tasks[task_id] = FakeTask(
                id=task_id, project_id=project_id, data=each, created_at=now, updated_at=now
            )
        return ids

    def add_view(self, project_id: int, name: str) -> int:
        """A tab that shows the tasks with the marker of this name."""
        view_id = self.next_id()
        self.views[view_id] = (project_id, f"labelgate: {name}")
        return view_id

    def submit(self, user_id: int, task_id: int, label: str) -> int:
        """A person answers; a prefilled form counts as an answer to what it was filled with."""
        task = self.tasks[task_id]
        shown = self.projects[task.project_id].model_version
        parents = [each.id for each in task.predictions if each.prelabel.model_version == shown]
        result = self._result(task, label)
        return self.annotate(user_id, task, result, parent=parents[0] if parents else None)

    def skip(self, user_id: int, task_id: int) -> int:
        return self.annotate(user_id, self.tasks[task_id], [], was_cancelled=True)

    def edit(self, user_id: int, annotation_id: int, label: str) -> None:
        """A person changes an annotation, whoever made it; its author stays."""
        task = self._owner(annotation_id)
        now = self.clock()
        task.annotations = [
            replace(each, result=self._result(task, label), updated_at=now, updated_by=user_id)
            if each.id == annotation_id
            else each
            for each in task.annotations
        ]
        task.updated_at = now

    def mark_ground_truth(self, annotation_id: int, *, marked: bool = True) -> None:
        """Somebody presses the star of an annotation, or takes it back."""
        task = self._owner(annotation_id)
        task.annotations = [
            replace(each, ground_truth=marked) if each.id == annotation_id else each
            for each in task.annotations
        ]
        task.updated_at = self.clock()

    def delete_annotation(self, annotation_id: int) -> None:
        task = self._owner(annotation_id)
        task.annotations = [each for each in task.annotations if each.id != annotation_id]
        task.updated_at = self.clock()

    def delete_task(self, task_id: int) -> None:
        del self.tasks[task_id]

    def annotate(
        self,
        user_id: int,
        task: FakeTask,
        result: list[dict[str, Any]],
        *,
        was_cancelled: bool = False,
        parent: int | None = None,
    ) -> int:
        now = self.clock()
        annotation = Annotation(
            id=self.next_id(),
            task_id=task.id,
            user_id=user_id,
            result=result,
            was_cancelled=was_cancelled,
            ground_truth=False,
            created_at=now,
            updated_at=now,
            lead_time_s=None,
            parent_prediction_id=parent,
            updated_by=None if user_id == ROBOT_ID else user_id,
        )
        task.annotations.append(annotation)
        task.updated_at = now
        return annotation.id

    def of_project(self, project_id: int) -> list[FakeTask]:
        return [each for each in self.tasks.values() if each.project_id == project_id]

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _owner(self, annotation_id: int) -> FakeTask:
        return next(
            task
            for task in self.tasks.values()
            if any(each.id == annotation_id for each in task.annotations)
        )

    def _result(self, task: FakeTask, label: str) -> list[dict[str, Any]]:
        labeling = parse_labeling(self.projects[task.project_id].label_config)
        return result_of(labeling, label)
