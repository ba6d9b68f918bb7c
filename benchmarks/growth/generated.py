"""A Label Studio that makes its tasks while they are read, so that it takes no memory itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from benchmarks.large_store.stages import BEGINNING, Stage, policy_text
from benchmarks.large_store.texts import CONFIG, LABELS
from connectors.annotation_tool import Annotation, Task
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import parse_labeling
from connectors.label_studio.task_lists import ANNOTATED_PAGE, TASK_PAGE
from tests.fakes.annotation_tool import FakeAnnotationTool

_ANSWERED = 2  # every so many tasks one has an answer


@dataclass(slots=True, kw_only=True)
class GeneratedTool(FakeAnnotationTool):
    """``tasks`` tasks with ids from 1 on, in pages as the real client asks for them."""

    tasks: int

    def tasks_after(self, project_id: int, task_id: int) -> Iterator[list[Task]]:
        """Pages of a thousand tasks."""
        del project_id
        for first in range(task_id + 1, self.tasks + 1, TASK_PAGE):
            yield [_task(each) for each in range(first, min(first + TASK_PAGE, self.tasks + 1))]

    def annotated_since(self, project_id: int, since: datetime | None) -> Iterator[list[Task]]:
        """Pages of answered tasks; none changed since anything was read."""
        del project_id
        if since is not None:
            return
        labeling = parse_labeling(CONFIG)
        results = [result_of(labeling, label) for label in LABELS]
        step = ANNOTATED_PAGE * _ANSWERED
        for first in range(_ANSWERED, self.tasks + 1, step):
            ids = range(first, min(first + step, self.tasks + 1), _ANSWERED)
            yield [_answered(each, results[each % len(results)]) for each in ids]

    def answers_to(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """Nothing that no page has named."""
        del project_id, task_ids
        return []


def generated(stage: Stage, tasks: int) -> tuple[Runtime, ConnectedProject]:
    """A runtime on the stage's store and such a tool, and a project of which nothing is read."""
    title = f"{tasks} tasks"
    stage.server.add_project(title, CONFIG)
    connected = stage.connect(1, title, policy_text(title, tasks, strict=False))
    project = replace(connected, synced_until=None)
    tool = GeneratedTool(server=stage.server, tasks=tasks)
    return replace(stage.runtime, tool=lambda: tool), project


def _task(number: int) -> Task:
    at = BEGINNING + timedelta(seconds=number)
    data = {"text": f"Hello, I was charged twice for the kettle, case {number}", "source": "web"}
    return Task(id=number, data=data, created_at=at, updated_at=at)


def _answered(number: int, result: list[dict[str, object]]) -> Task:
    task = _task(number)
    answer = Annotation(
        id=number,
        task_id=number,
        user_id=3,
        result=result,
        was_cancelled=False,
        ground_truth=False,
        created_at=task.created_at,
        updated_at=task.updated_at,
        lead_time_s=4.0,
        parent_prediction_id=None,
    )
    return replace(task, annotations=(answer,))
