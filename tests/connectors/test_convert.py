from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.annotation_tool import Prelabel
from connectors.label_studio.convert import (
    UNKNOWN_USER,
    ConversionError,
    annotation_of,
    choice_result,
    label_of,
    prelabel_row,
    task_of,
)
from connectors.label_studio.labeling import InputKind, single_choice

LABELING = single_choice("label", "text", InputKind.TEXT, "text", ("A", "B"))
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
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_a_label_comes_back_from_its_result(labels: list[str]) -> None:
    labeling = single_choice("c", "o", InputKind.IMAGE, "image", tuple(labels))
    results = [choice_result(labeling, label) for label in labels]
    assert [label_of(labeling, result) for result in results] == labels
    assert results == [choice_result(labeling, label) for label in labels]


def test_the_result_is_what_label_studio_writes() -> None:
    (region,) = choice_result(LABELING, "B")
    assert len(region.pop("id")) == 10
    assert region == {
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["B"]},
    }


def test_a_label_that_the_config_does_not_offer_is_refused() -> None:
    with pytest.raises(ValueError, match="'C' is not a choice of 'label': A, B"):
        choice_result(LABELING, "C")


@pytest.mark.parametrize(
    "result",
    [
        [],
        ["junk", None, 3],
        [{"from_name": "other", "value": {"choices": ["A"]}}],
        [{"from_name": "label"}],
        [{"from_name": "label", "value": {"choices": []}}],
        [{"from_name": "label", "value": {"choices": ["A", "B"]}}],
        [{"from_name": "label", "value": {"choices": [["A", "B"]]}}],
        [{"from_name": "label", "value": {"choices": "A"}}],
        choice_result(LABELING, "A") + choice_result(LABELING, "B"),
    ],
)
def test_no_single_answer_is_no_label(result: list[Any]) -> None:
    assert label_of(LABELING, result) is None


@settings(deadline=None)  # the machine may be busy
@given(st.lists(json_values))
def test_any_list_is_read_without_an_error(result: list[Any]) -> None:
    assert label_of(LABELING, result) is None


def test_a_label_is_found_beside_other_regions() -> None:
    other = {"from_name": "rating", "type": "rating", "value": {"rating": 4}}
    assert label_of(LABELING, [other, *choice_result(LABELING, "B")]) == "B"


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
    users = [annotation_of({**ANNOTATION, "completed_by": by}, 5).user_id for by in shapes]
    assert users == [7, UNKNOWN_USER]
    assert annotation_of({**ANNOTATION, "task": 9}).task_id == 9


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"data": None}, {"created_at": "yesterday"}, {"created_at": "2026-11-22"},
     {"annotations": [{}]}, {"annotations": [{**ANNOTATION, "result": "A"}]}],
)  # fmt: skip
def test_half_a_task_is_a_conversion_error(change: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="not a task of Label Studio"):
        task_of({**TASK, **change})


def test_a_prelabel_becomes_an_import_row() -> None:
    marker = Prelabel(task_id=4, result=[], score=None, model_version="labelgate: senior")
    assert prelabel_row(marker) == {
        "task": 4,
        "result": [],
        "score": None,
        "model_version": "labelgate: senior",
    }
