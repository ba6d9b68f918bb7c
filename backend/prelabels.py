"""What is imported into Label Studio for a task: its rank and marker, the model's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.store.deliveries import Wish
from backend.store.mirrors import MIRROR
from backend.store.tasks import stored_tasks
from connectors.annotation_tool import Prelabel
from connectors.label_studio.answers import result_of
from connectors.label_studio.labeling import ControlKind, Labeling
from connectors.label_studio.provisioning import MARKER, RANK

# The data of tasks whose answers quote it, by task.
TaskData = Mapping[int, Mapping[str, Any]]


def marker(view: str) -> str:
    """The model version of the empty predictions that put tasks into a view."""
    return MARKER.format(view)


def prelabels_of(
    wish: Wish, labeling: Labeling, data: Mapping[str, Any] | None = None
) -> list[Prelabel]:
    """The predictions to import for a wish: its rank and marker, the model's answer, or neither.

    The rank comes first: views order by the versions of a task's predictions as they came in.
    What is answered in the mirror project stays bare in its own.
    """
    if wish.marker == MIRROR:
        return []
    empty = [] if wish.rank is None else [RANK.format(wish.rank)]
    empty += [] if wish.marker is None else [marker(wish.marker)]
    prelabels = [
        Prelabel(task_id=wish.task_id, result=[], score=None, model_version=version)
        for version in empty
    ]
    if wish.label is not None and wish.model_version is not None:
        prelabels.append(
            Prelabel(
                task_id=wish.task_id,
                result=result_of(labeling, wish.label, wish.part_scores, data),
                score=wish.score,
                model_version=wish.model_version,
            )
        )
    return prelabels


def quoted(
    session: Session, project_id: int, labeling: Labeling, wishes: Sequence[Wish]
) -> dict[int, dict[str, Any]]:
    """The data of the tasks whose answers quote the text that they mark."""
    if all(control.kind is not ControlKind.SPANS for control in labeling.controls):
        return {}
    ids = [wish.task_id for wish in wishes if wish.label is not None]
    return {task.id: task.data for task in stored_tasks(session, project_id, ids)}
