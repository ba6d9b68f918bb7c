"""Tasks made of other tasks' data, and taken away again while nobody has worked on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.annotation_tool import AnnotationToolUnavailableError
from connectors.label_studio import queries
from connectors.label_studio.connection import Connection
from connectors.label_studio.queries import Filter
from connectors.label_studio.task_lists import pages_by_id

IMPORT_CHUNK = 1000
ID_CHUNK = 500  # as many ids as an address holds
UNTOUCHED = (
    queries.none_of("total_annotations"),
    queries.none_of("cancelled_annotations"),
    queries.without_draft(),
)


def import_tasks(admin: Connection, project_id: int, data: Sequence[dict[str, Any]]) -> list[int]:
    """Make tasks of data alone, in bulk; their ids, in the same order."""
    path = f"/api/projects/{project_id}/import?return_task_ids=true"
    made: list[int] = []
    for start in range(0, len(data), IMPORT_CHUNK):
        rows = [{"data": each} for each in data[start : start + IMPORT_CHUNK]]
        answer = admin.once("POST", path, rows)
        ids = answer.get("task_ids") if isinstance(answer, dict) else None
        if not isinstance(ids, list) or len(ids) != len(rows):
            raise AnnotationToolUnavailableError(
                f"Label Studio did not name the {len(rows)} tasks it imported: {answer!r:.200}"
            )
        made.extend(ids)
    return made


def open_among(admin: Connection, project_id: int, task_ids: Sequence[int]) -> list[int]:
    """Those of these tasks that are there and still want answers."""
    return _among(admin, project_id, task_ids, (queries.unlabelled(),))


def remove_untouched(admin: Connection, project_id: int, task_ids: Sequence[int]) -> list[int]:
    """Delete those of these tasks with no answer, skip or draft; all that are gone now.

    The filters go along with the ids, so that Label Studio looks once more while it deletes.
    """
    path = f"/api/dm/actions?id=delete_tasks&project={project_id}"
    untouched = _among(admin, project_id, task_ids, UNTOUCHED)
    for start in range(0, len(untouched), IMPORT_CHUNK):
        body = queries.selected(untouched[start : start + IMPORT_CHUNK])
        filters = {"conjunction": "and", "items": list(UNTOUCHED)}
        admin.repeatable("POST", path, body | {"filters": filters, "ordering": []})
    left = set(_among(admin, project_id, task_ids, ()))
    return [task_id for task_id in task_ids if task_id not in left]


def _among(
    admin: Connection, project_id: int, task_ids: Sequence[int], filters: Sequence[Filter]
) -> list[int]:
    return [
        task.id
        for start in range(0, len(task_ids), ID_CHUNK)
        for page in pages_by_id(
            admin, project_id, (queries.id_among(task_ids[start : start + ID_CHUNK]), *filters)
        )
        for task in page
    ]
