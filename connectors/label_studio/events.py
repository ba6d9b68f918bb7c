"""Webhook JSON -> what happened, as ids. Pure.

A webhook is a hint and never the truth: Label Studio sends it once, within a second, unsigned, and
loses it on failure; some actions name no task. The truth is read with the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What Labelgate's own webhooks carry: the shared secret, and a rehearsal's word.
SECRET_HEADER = "X-Labelgate-Secret"  # noqa: S105  # a header's name
REHEARSAL_HEADER = "X-Labelgate-Rehearsal"


class EventError(ValueError):
    """A body that no webhook of Label Studio has; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a webhook says; ids are empty where the action names none.

    ``project_id`` is None for actions of the whole organisation; deleted annotations come without
    their tasks.
    """

    action: str
    project_id: int | None
    task_ids: tuple[int, ...] = ()
    annotation_ids: tuple[int, ...] = ()

    @property
    def is_training(self) -> bool:
        """True where a person pressed "start training" in Label Studio."""
        return self.action == "START_TRAINING"


def parse_event(body: Any) -> Event:
    """An event from a webhook's JSON body.

    An unknown action is kept as it is: a newer Label Studio may send some. Raises ``EventError``.
    """
    if not isinstance(body, dict):
        raise EventError(f"the body must be a JSON object, got {_kind(body)}")
    action = body.get("action")
    if not isinstance(action, str) or not action:
        raise EventError(f"action must be a text such as 'ANNOTATION_CREATED', got {_kind(action)}")
    annotations = _rows(body, "annotation") + _rows(body, "annotations")
    tasks = _rows(body, "task") + _rows(body, "tasks")
    owners = [row["task"] for row in annotations if isinstance(row, dict) and "task" in row]
    return Event(
        action=action,
        project_id=_project_id(body.get("project")),
        task_ids=_ids("task", tasks + owners),
        annotation_ids=_ids("annotation", annotations),
    )


def _rows(body: dict[str, Any], field: str) -> list[Any]:
    """One object or a list of them: plural actions send a list under the singular name."""
    value = body.get(field)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _ids(field: str, rows: list[Any]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_id(field, row) for row in rows))


def _project_id(project: Any) -> int | None:
    return None if project is None else _id("project", project)


def _id(field: str, row: Any) -> int:
    """The id of an object, or of a bare number; a number as text counts."""
    value = row.get("id") if isinstance(row, dict) else row
    if isinstance(value, str) and value.isdecimal() and len(value) <= 18:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise EventError(f"{field} must be an object with a whole-number id, got {_kind(value)}")
    if not 0 < value < 2**63:  # databases keep ids in 64 bits
        # Python writes no whole number of more than 4,300 digits, and no float as large as some.
        got = value if abs(value) < 2**80 else "one of more than 24 digits"
        raise EventError(f"{field} must have an id between 1 and 2^63 - 1, got {got}")
    return value


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
