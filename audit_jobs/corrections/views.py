"""The tasks of a confusion as a view in Label Studio."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from audit_jobs.corrections.shown import seen_by_people
from backend.runtime import Runtime
from backend.store.corrections import answered_tasks
from backend.store.projects import ConnectedProject
from connectors.annotation_tool import Prelabel
from connectors.label_studio.provisioning import CONFUSION_MARKER, VIEW_TITLE

TITLE = VIEW_TITLE.format("Confusion: {} -> {}")


class NoSuchConfusionError(Exception):
    """Nobody said this label where the model said that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionView:
    """The view as it stands now; ``tasks`` are those of it that Label Studio still has."""

    id: int
    title: str
    tasks: int


def show_confusion(
    runtime: Runtime, project: ConnectedProject, predicted: str, said: str
) -> ConfusionView:
    """Make or refresh the view of the tasks that were predicted so and that people said so.

    Each gets an empty prediction, its marker, beside what it has: no prediction, annotation or tab
    of anybody is touched. The marker names the tasks, so that one more answer makes a new one, and
    the tasks that left the confusion leave the view.

    Raises
        NoSuchConfusionError: there is no such task.
    """
    with runtime.reads() as session:
        seen, _ = seen_by_people(answered_tasks(session, project.id))

    tasks = sorted({e.task_id for e in seen if (e.predicted, e.said) == (predicted, said)})
    if predicted == said or not tasks:
        known = sorted({(e.predicted, e.said) for e in seen if e.predicted != e.said})
        listed = "; ".join(f"{one!r} {other!r}" for one, other in known[:10]) or "none"
        raise NoSuchConfusionError(
            f"no task was predicted {predicted!r} and labelled {said!r}; there are: {listed}"
        )
    marker = CONFUSION_MARKER.format(_digest(predicted, said, tasks))

    tool = runtime.tool()
    marked = set(tool.marked_among(project.id, tasks, marker))
    new = [each for each in tasks if each not in marked]
    made = tool.import_predictions(
        project.id,
        [Prelabel(task_id=each, result=[], score=None, model_version=marker) for each in new],
    )
    title = TITLE.format(predicted, said)
    view_id = tool.put_view(project.id, title, marker)
    return ConfusionView(id=view_id, title=title, tasks=len(marked) + made)


def _digest(predicted: str, said: str, tasks: list[int]) -> str:
    text = "\0".join((predicted, said, *map(str, tasks)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
