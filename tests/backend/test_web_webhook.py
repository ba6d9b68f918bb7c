"""Webhook intake: one row an event, ids only, or a clear refusal."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from backend.store.events import count_open, open_events, rehearsed
from backend.store.projects import mark_disconnected
from tests.fakes.web_project import WebProject, web_project

PAYLOADS = Path(__file__).parents[1] / "contract" / "payloads"
SECRET = {"X-Labelgate-Secret": "the secret"}
RECORDED = sorted(
    path.name for path in PAYLOADS.glob("*.json") if not path.name.startswith(("predict", "setup"))
)


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect()
    return project


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def events(project: WebProject) -> list[tuple[str, dict[str, Any]]]:
    with project.runtime.reads() as session:
        return open_events(session, 1)[1]


@pytest.mark.parametrize("name", RECORDED)
def test_what_label_studio_sends_becomes_one_row(
    project: WebProject, client: FlaskClient, name: str
) -> None:
    payload = (PAYLOADS / name).read_bytes()
    response = client.post("/webhook", data=payload, headers=SECRET)
    assert response.status_code == 201, response.text
    (stored,) = events(project)
    assert stored[0] == orjson.loads(payload)["action"]
    assert set(stored[1]) == {"task_ids", "annotation_ids"}


def test_ids_are_kept_and_nothing_else(project: WebProject, client: FlaskClient) -> None:
    payload = (PAYLOADS / "annotation-created-1.23.2.json").read_bytes()
    client.post("/webhook", data=payload, headers=SECRET)
    sent = orjson.loads(payload)["annotation"]
    assert events(project) == [
        ("ANNOTATION_CREATED", {"task_ids": [sent["task"]], "annotation_ids": [sent["id"]]})
    ]


def test_no_work_is_done(project: WebProject, client: FlaskClient) -> None:
    # The runtime's tool raises when it is asked for.
    body = {"action": "START_TRAINING", "project": {"id": 1}}
    assert client.post("/webhook", json=body).status_code == 201
    assert [action for action, _ in events(project)] == ["START_TRAINING"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"[]", 400, "wrong_type"),
        (b"{}", 400, "malformed_event"),
        (b'{"action":1}', 400, "malformed_event"),
        (b'{"action":"X"}', 400, "missing_field"),
        (b'{"action":"X","project":{"id":"one"}}', 400, "malformed_event"),
        (b'{"action":"X","project":{"id":9999999999}}', 400, "missing_field"),
        (b'{"action":"X","project":{"id":7}}', 404, "project_not_connected"),
        # Python's JSON, which reads halves of characters, reads numbers without end too.
        (b'{"action":"\\ud83d","project":{"id":1%s}}' % (b"0" * 400), 400, "malformed_event"),
    ],
)
def test_a_bad_event_is_refused_and_not_kept(
    project: WebProject, client: FlaskClient, body: bytes, status: int, code: str
) -> None:
    response = client.post("/webhook", data=body, headers=SECRET)
    assert response.status_code == status
    assert orjson.loads(response.data)["error"]["code"] == code
    assert events(project) == []


def test_a_disconnected_project_takes_no_events(project: WebProject, client: FlaskClient) -> None:
    with project.runtime.sessions.begin() as session:
        mark_disconnected(session, 1, project.clock())
    body = {"action": "TASKS_CREATED", "project": {"id": 1}}
    assert client.post("/webhook", json=body, headers=SECRET).status_code == 404


def test_an_event_that_cannot_be_stored_is_not_answered_as_stored(
    project: WebProject, client: FlaskClient, tmp_path: Path
) -> None:
    body = {"action": "TASKS_CREATED", "project": {"id": 1}}
    assert client.post("/webhook", json=body, headers=SECRET).status_code == 201
    project.impatient()
    other = sqlite3.connect(tmp_path / "labelgate.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        response = client.post("/webhook", json=body, headers=SECRET)
        assert response.status_code == 503
        assert orjson.loads(response.data)["error"]["code"] == "store_unavailable"
    finally:
        other.close()
    assert client.post("/webhook", json=body, headers=SECRET).status_code == 201
    assert len(events(project)) == 2


WORD = {"X-Labelgate-Rehearsal": "0123456789abcdef"}


def rehearsals(project: WebProject) -> int:
    with project.runtime.reads() as session:
        return int(
            rehearsed(
                session, WORD["X-Labelgate-Rehearsal"], project.runtime.now() - timedelta(days=1)
            )
        )


def test_a_rehearsal_leaves_its_word_and_no_work(project: WebProject, client: FlaskClient) -> None:
    response = client.post("/webhook", json={}, headers=SECRET | WORD)

    assert (response.status_code, response.get_json()) == (201, {"status": "rehearsed"})
    assert rehearsals(project) == 1
    with project.runtime.reads() as session:
        assert count_open(session) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (WORD, 400),  # without the secret it is an event like any other, and this one has no action
        ({"X-Labelgate-Secret": "wrong"} | WORD, 403),
        (SECRET | {"X-Labelgate-Rehearsal": "no word"}, 400),
    ],
)
def test_a_rehearsal_needs_the_secret_and_a_word(
    project: WebProject, client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/webhook", json={}, headers=headers).status_code == status
    assert rehearsals(project) == 0
