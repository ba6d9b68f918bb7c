"""Webhooks as Label Studio 1.23.2 sent them (payloads/), and what must be refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.label_studio.events import Event, EventError, parse_event

PAYLOADS = Path(__file__).parent / "payloads"


def recorded(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}-1.23.2.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "task_ids", "annotation_ids"),
    [
        ("annotation-created", (2,), (1,)),
        ("annotation-created-skipped", (3,), (2,)),
        ("annotation-updated", (2,), (1,)),
        ("annotations-created", (1, 2, 3, 4), (3, 4, 5, 6)),
        ("annotations-deleted", (), (1,)),
        ("tasks-created", (1, 2, 3, 4), ()),
        ("tasks-deleted", (4,), ()),
        ("project-updated", (), ()),
        ("start-training", (), ()),
    ],
)
def test_recorded_webhooks(
    name: str, task_ids: tuple[int, ...], annotation_ids: tuple[int, ...]
) -> None:
    event = parse_event(recorded(name))
    assert event.action == name.removesuffix("-skipped").replace("-", "_").upper()
    assert event.project_id == 1
    assert set(event.task_ids) == set(task_ids)
    assert set(event.annotation_ids) == set(annotation_ids)
    assert event.is_training == (name == "start-training")


def test_start_training_may_name_its_project_by_number_or_not_at_all() -> None:
    assert parse_event({"action": "START_TRAINING", "project": 4}).project_id == 4
    assert parse_event({"action": "START_TRAINING", "project": {"id": "4"}}).project_id == 4
    assert parse_event({"action": "START_TRAINING"}).project_id is None


def test_an_unknown_action_is_kept() -> None:
    event = parse_event({"action": "SOMETHING_NEW", "project": {"id": 1}, "thing": [1]})
    assert event == Event(action="SOMETHING_NEW", project_id=1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "body must be a JSON object, got list"),
        (None, "body must be a JSON object, got nothing"),
        ({}, "action must be a text .* got nothing"),
        ({"action": 3}, "action must be a text .* got int"),
        ({"action": "A", "project": {}}, "project must be an object with a whole-number id"),
        ({"action": "A", "project": True}, "project .* got bool"),
        ({"action": "A", "project": 2**70}, "project must have an id between"),
        ({"action": "A", "project": 10**400}, "project must have an id between .* 24 digits"),
        ({"action": "A", "task": [-(10**400)]}, "task must have an id between .* 24 digits"),
        ({"action": "A", "task": ["x"]}, "task .* got str"),
        ({"action": "A", "annotations": [{"id": 1.5}]}, "annotation .* got float"),
    ],
)
def test_malformed_bodies_name_the_field(body: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        parse_event(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None)  # the machine may be busy
@given(
    st.dictionaries(
        st.sampled_from(["action", "project", "task", "tasks", "annotation", "annotations"]),
        json_values | st.just("ANNOTATION_CREATED"),
    )
)
def test_any_json_is_an_event_or_an_event_error(body: dict[str, Any]) -> None:
    try:
        event = parse_event(body)
    except EventError:
        return
    assert event.action == body["action"]
