"""Label Studio's JSON <-> tasks and annotations. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors.annotation_tool import UNKNOWN_USER, Annotation, Prelabel, Task
from connectors.json_values import writable


class ConversionError(ValueError):
    """JSON that is not what Label Studio sends: half an answer, or another server's."""


def task_of(row: dict[str, Any]) -> Task:
    """A task of ``/api/tasks`` (list or single), with annotations where the row carries them."""
    try:
        return _task(row)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ConversionError(
            f"not a task of Label Studio: {type(error).__name__}: {error}"
        ) from error


def prelabel_row(prelabel: Prelabel) -> dict[str, Any]:
    """A row for ``import/predictions``."""
    return {
        "task": prelabel.task_id,
        "result": prelabel.result,
        "score": prelabel.score,
        "model_version": prelabel.model_version,
    }


def _task(row: dict[str, Any]) -> Task:
    task_id = int(row["id"])
    return Task(
        id=task_id,
        data=writable(dict(row["data"])),
        created_at=_time(row["created_at"]),
        updated_at=_time(row["updated_at"]),
        annotations=tuple(_annotation(each, task_id) for each in row.get("annotations") or ()),
    )


def _annotation(row: dict[str, Any], task_id: int) -> Annotation:
    result = row["result"]
    if not isinstance(result, list):
        raise TypeError(f"result is {type(result).__name__}, not a list")
    lead_time = row.get("lead_time")
    return Annotation(
        id=int(row["id"]),
        task_id=task_id,
        user_id=_user_id(row.get("completed_by")) or UNKNOWN_USER,
        result=writable(result),
        was_cancelled=bool(row.get("was_cancelled", False)),
        ground_truth=bool(row.get("ground_truth", False)),
        created_at=_time(row["created_at"]),
        updated_at=_time(row["updated_at"]),
        lead_time_s=None if lead_time is None else float(lead_time),
        parent_prediction_id=row.get("parent_prediction"),
        updated_by=_user_id(row.get("updated_by")),
    )


def _user_id(user: Any) -> int | None:
    """A number in lists and webhooks, a user object where one task is read."""
    match user:
        case None:
            return None
        case {"id": user_id}:
            return int(user_id)
    return int(user)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return time
