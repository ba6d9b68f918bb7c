"""What the task list of Label Studio 1.23 is asked: filters, columns, views. Pure.

Stored views may only hold filters that the Data Manager's page can draw: a stored ``in_list`` of
ids kills the page for the whole project, so ids stand in API queries alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

Filter = dict[str, Any]

# ``include`` trims the rows, and the annotations inside them as well: 2.5 times faster.
TASK_COLUMNS = ("id", "data", "created_at", "updated_at", "is_labeled")
ANNOTATION_COLUMNS = (
    "annotations",
    "result",
    "completed_by",
    "updated_by",
    "was_cancelled",
    "ground_truth",
    "lead_time",
    "parent_prediction",
)
BY_ID = ("tasks:id",)
# By the model versions of all predictions of a task, joined in the order in which they came: the
# version of the rank stands first (ADR 0010).
BY_RANK = ("tasks:predictions_model_versions",)


def id_above(task_id: int) -> Filter:
    """Tasks with a greater id: pages by key neither skip nor repeat when tasks come and go."""
    return _filter("id", "greater", "Number", task_id)


def id_among(task_ids: Sequence[int]) -> Filter:
    """Tasks of this list; for API queries only."""
    return _filter("id", "in_list", "List", list(task_ids))


def updated_after(time: datetime) -> Filter:
    """Tasks that changed after this time; every write of an annotation or prediction counts."""
    return _filter("updated_at", "greater", "Datetime", time.isoformat().replace("+00:00", "Z"))


def any_of(counter: str) -> Filter:
    """Tasks whose ``total_annotations``, ``total_predictions``, ... is above zero."""
    return _filter(counter, "greater", "Number", 0)


def none_of(counter: str) -> Filter:
    """Tasks whose counter is zero."""
    return _filter(counter, "equal", "Number", 0)


def unlabelled() -> Filter:
    """Tasks that still want answers."""
    return _filter("is_labeled", "equal", "Boolean", value=False)


def labelled() -> Filter:
    """Tasks that want no more answers."""
    return _filter("is_labeled", "equal", "Boolean", value=True)


def without_draft() -> Filter:
    """Tasks that nobody has begun to answer."""
    return _filter("draft_exists", "equal", "Boolean", value=False)


def has_version(model_version: str) -> Filter:
    """Tasks with a prediction, or marker, whose model version contains this text."""
    return _filter("predictions_model_versions", "contains", "List", [model_version])


def any_version() -> Filter:
    """Tasks with a prediction that names its model version, by the rows and no counter."""
    return _filter("predictions_model_versions", "empty", "List", value=False)


def lacks_versions(model_versions: Sequence[str]) -> Filter:
    """Tasks without a prediction whose model version contains one of these texts."""
    return _filter("predictions_model_versions", "not_contains", "List", list(model_versions))


def query(filters: Sequence[Filter], ordering: Sequence[str] = BY_ID) -> str:
    """The ``query`` parameter: all filters must hold."""
    return orjson.dumps(
        {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": list(ordering)}
    ).decode()


def marker_view(title: str, marker: str, other_markers: Sequence[str]) -> dict[str, Any]:
    """The stored data of a tab that shows the tasks with this marker, most wanted first.

    Label Studio compares by ``LIKE '%marker%'``: markers that contain this one ("labelgate:
    senior_ml" for "labelgate: senior") would fill this tab too, and are taken out by name.
    """
    filters = [has_version(marker)]
    longer = [
        other for other in other_markers if other != marker and marker.lower() in other.lower()
    ]
    if longer:
        filters.append(lacks_versions(longer))
    return {
        "title": title,
        "type": "list",
        "target": "tasks",
        "filters": {"conjunction": "and", "items": filters},
        "ordering": list(BY_RANK),
    }


def selected(task_ids: Sequence[int]) -> dict[str, Any]:
    """The selection that a bulk action works on."""
    return {"selectedItems": {"all": False, "included": list(task_ids)}}


def _filter(column: str, operator: str, kind: str, value: Any) -> Filter:
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
