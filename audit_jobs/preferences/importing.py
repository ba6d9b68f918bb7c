"""Tasks of pairs into a Label Studio project, each once however often they are imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.annotation_tool import AnnotationTool

_AT_ONCE = 500


def import_missing(tool: AnnotationTool, project_id: int, tasks: Sequence[dict[str, Any]]) -> int:
    """Import the tasks whose ``id`` no task of the project has yet; how many these were.

    Safe to repeat: what was made before a failure is found again by its id.
    """
    pages = tool.tasks_after(project_id, 0)
    ids = (task.data.get("id") for page in pages for task in page)
    there = {each for each in ids if isinstance(each, str)}  # others' tasks have ids of any form
    missing = [task for task in tasks if task["id"] not in there]
    for start in range(0, len(missing), _AT_ONCE):
        tool.import_tasks(project_id, missing[start : start + _AT_ONCE])
    return len(missing)
