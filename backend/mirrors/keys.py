"""How a copy in the mirror project says which task it is of. Pure."""

from __future__ import annotations

import hashlib
import re

from connectors.annotation_tool import Task

KEY = "labelgate"  # the field of a copy's data that holds its key
_KEY_FORM = re.compile(r"[0-9a-f]{24}")


def key_of(project_id: int, task_id: int) -> str:
    """The key that a copy of this task carries; opaque, and the same every time."""
    name = f"labelgate mirror {project_id}/{task_id}"
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def is_copy(task: Task) -> bool:
    """True where a task was copied by Labelgate."""
    key = task.data.get(KEY)
    return isinstance(key, str) and _KEY_FORM.fullmatch(key) is not None
