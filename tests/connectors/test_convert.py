from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from connectors.annotation_tool import UNKNOWN_USER, Prelabel
from connectors.json_values import TOO_DEEP
from connectors.label_studio.convert import (
    ConversionError,
    prelabel_row,
    task_of,
)

ANNOTATION: dict[str, Any] = {
    "id": 3,
    "result": [],
    "completed_by": 7,
    "created_at": "2026-11-22T14:38:18.207705Z",
    "updated_at": "2026-11-22T14:38:19Z",
    "was_cancelled": False,
    "ground_truth": True,
    "lead_time": 3.5,
    "parent_prediction": 21,
}
TASK: dict[str, Any] = {
    "id": 5,
    "data": {"text": "t"},
    "created_at": "2026-11-22T14:38:17.964258Z",
    "updated_at": "2026-11-22T14:38:18.234811Z",
    "annotations": [ANNOTATION],
}


def test_a_listed_task_carries_its_annotations() -> None:
    task = task_of(TASK)
    assert task.id == 5
    assert task.created_at == datetime(2026, 11, 22, 14, 38, 17, 964258, tzinfo=UTC)
    (annotation,) = task.annotations
    assert (annotation.id, annotation.task_id, annotation.user_id) == (3, 5, 7)
    assert annotation.updated_at == datetime(2026, 11, 22, 14, 38, 19, tzinfo=UTC)
    assert (annotation.lead_time_s, annotation.parent_prediction_id) == (3.5, 21)
    assert annotation.ground_truth
    assert task_of({**TASK, "annotations": None}).annotations == ()


def test_a_single_task_has_user_objects_and_a_deleted_author_is_unknown() -> None:
    shapes = ({"id": 7, "email": "a@example.com"}, None)
    task = task_of({**TASK, "annotations": [{**ANNOTATION, "completed_by": by} for by in shapes]})
    assert [each.user_id for each in task.annotations] == [7, UNKNOWN_USER]


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"data": None}, {"created_at": "yesterday"}, {"created_at": "2026-11-22"},
     {"annotations": [{}]}, {"annotations": [{**ANNOTATION, "result": "A"}]},
     {"id": float("inf")}, {"annotations": [{**ANNOTATION, "lead_time": 10**400}]}],
)  # fmt: skip
def test_half_a_task_is_a_conversion_error(change: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="not a task of Label Studio"):
        task_of({**TASK, **change})


def test_what_no_row_can_hold_is_replaced_so_that_the_other_tasks_come_in() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    task = task_of(
        {
            **TASK,
            "data": {"deep": deep, "half": "a\ud83d", "\udfff": 10**400, "kept": [1.5, None]},
            "annotations": [{**ANNOTATION, "result": [{"value": {"text": ["\ud83d"]}}]}],
        }
    )
    assert TOO_DEEP in orjson.dumps(task.data["deep"]).decode()
    assert task.data | {"deep": None} == {
        "deep": None,
        "half": "a\ufffd",
        "\ufffd": str(10**400),
        "kept": [1.5, None],
    }
    assert task.annotations[0].result == [{"value": {"text": ["\ufffd"]}}]


def test_a_prelabel_becomes_an_import_row() -> None:
    marker = Prelabel(task_id=4, result=[], score=None, model_version="labelgate: senior")
    assert prelabel_row(marker) == {
        "task": 4,
        "result": [],
        "score": None,
        "model_version": "labelgate: senior",
    }
