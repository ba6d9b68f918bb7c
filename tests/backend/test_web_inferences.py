"""``POST /v1/inferences``: kept whole and once, or refused with every problem named."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.inferences.intake import MOST_IN_BATCH
from backend.store.inference_tokens import revoke_tokens
from backend.store.projects import mark_disconnected
from backend.web.state import NAME, Web
from connectors.inference_data import data_sha256
from tests.fakes.inferences import bearer, inference, kept, monitored_project, token_of
from tests.fakes.web_project import PROJECT_ID, WebProject

PASSWORD = ("gate", "pässword")


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return monitored_project(tmp_path)


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return with_token(project)


def with_token(project: WebProject) -> FlaskClient:
    client = project.client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_of(project)}"
    return client


def post(client: FlaskClient, *inferences: object, key: str | None = None) -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/inferences", json={"inferences": inferences}, headers=headers)


def told(response: TestResponse, status: int = 202) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = orjson.loads(response.data)
    return body


def error(response: TestResponse, status: int) -> dict[str, Any]:
    found: dict[str, Any] = told(response, status)["error"]
    return found


def test_a_batch_is_kept_field_by_field(project: WebProject, client: FlaskClient) -> None:
    answer = told(post(client, inference(1), inference(2)))
    assert answer == {"received": 2, "stored": 2, "known": 0, "conflicts": 0, "conflicting": []}
    first, second = kept(project)
    assert second["id"] > first["id"]
    assert {name: first[name] for name in first if name != "id"} == {
        "project_id": PROJECT_ID,
        "inference_id": "req-1",
        "model_version": "2026-02",
        "predicted": "B",
        "score": 0.75,
        "data": {"text": "text 1"},
        "data_sha256": data_sha256({"text": "text 1"}),
        "slices": None,
        "at": datetime(2026, 3, 1, 10, tzinfo=UTC),
        "received_at": project.clock(),
        "state": "waiting",
        "share": None,
        "draw": None,
        "why": None,
        "task_id": None,
    }


def test_one_bare_inference_is_a_batch(project: WebProject, client: FlaskClient) -> None:
    bare = {"id": 17, "data": {"text": "x"}, "predicted": "A", "model_version": "v"}
    assert told(client.post("/v1/inferences", json=bare))["stored"] == 1
    (row,) = kept(project)
    assert (row["inference_id"], row["score"], row["at"]) == ("17", None, project.clock())


def test_times_of_every_zone_are_kept_as_utc(project: WebProject, client: FlaskClient) -> None:
    told(post(client, inference(1, at="2026-03-01T12:30:00.25+02:00")))
    assert kept(project)[0]["at"] == datetime(2026, 3, 1, 10, 30, 0, 250_000, tzinfo=UTC)


def test_an_id_that_comes_again_is_counted_once(project: WebProject, client: FlaskClient) -> None:
    post(client, inference(1))
    answer = told(post(client, inference(1), inference(2), inference(2)))
    assert (answer["stored"], answer["known"], answer["conflicts"]) == (1, 2, 0)
    assert len(kept(project)) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"predicted": "A"},
        {"score": 0.5},
        {"score": None},
        {"model_version": "2026-03"},
        {"data": {"text": "another"}},
        {"at": "2026-03-01T10:00:01Z"},
    ],
    ids=str,
)
def test_an_id_with_other_content_is_named_and_the_first_stays(
    project: WebProject, client: FlaskClient, changed: dict[str, object]
) -> None:
    post(client, inference(1))
    before = kept(project)
    answer = told(post(client, inference(1, **changed), inference(2)))
    assert (answer["stored"], answer["conflicts"], answer["conflicting"]) == (1, 1, ["req-1"])
    assert kept(project)[0] == before[0]


def test_two_contents_under_one_id_in_one_batch_conflict(client: FlaskClient) -> None:
    answer = told(post(client, inference(1), inference(1, score=0.1)))
    assert (answer["stored"], answer["conflicting"]) == (1, ["req-1"])


def test_at_most_ten_conflicting_ids_are_named(client: FlaskClient) -> None:
    post(client, *map(inference, range(30)))
    answer = told(post(client, *(inference(each, score=0.1) for each in range(30))))
    assert answer["conflicts"] == 30
    assert answer["conflicting"] == [f"req-{each}" for each in range(10)]


def test_what_a_repetition_leaves_out_is_no_conflict(
    project: WebProject, client: FlaskClient
) -> None:
    post(client, inference(1, at=None))
    project.clock.forward(5)  # without a time in the batch, it was another moment
    assert told(post(client, inference(1, at=None)))["known"] == 1


def test_a_key_that_comes_again_gets_the_very_same_answer(
    project: WebProject, client: FlaskClient
) -> None:
    first = post(client, inference(1), key="batch-1")
    again = post(client, inference(1), key="batch-1")
    assert (again.status_code, again.data) == (202, first.data)
    assert told(post(client, inference(1), key="batch-2"))["known"] == 1
    assert len(kept(project)) == 1


def test_a_key_with_another_body_is_refused(project: WebProject, client: FlaskClient) -> None:
    post(client, inference(1), key="batch-1")
    refusal = error(post(client, inference(2), key="batch-1"), 409)
    assert refusal["code"] == "key_taken"
    assert "'batch-1'" in refusal["message"]
    assert len(kept(project)) == 1


def test_a_refused_batch_leaves_its_key_free(client: FlaskClient) -> None:
    assert post(client, inference(1, score=7), key="k").status_code == 400
    assert told(post(client, inference(1), key="k"))["stored"] == 1


def test_keys_of_two_projects_are_apart(project: WebProject, client: FlaskClient) -> None:
    project.connect(2)
    other = project.client()
    headers = {**bearer(token_of(project, 2)), "Idempotency-Key": "k"}
    assert told(post(client, inference(1), key="k"))["stored"] == 1
    body = {"inferences": [inference(1)]}
    assert told(other.post("/v1/inferences", json=body, headers=headers))["stored"] == 1
    assert [row["project_id"] for row in kept(project)] == [1, 2]


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_key_that_is_none_is_refused(client: FlaskClient, key: str) -> None:
    assert error(post(client, inference(1), key=key), 400)["code"] == "wrong_key"


def test_a_batch_with_one_mistake_is_refused_whole(
    project: WebProject, client: FlaskClient
) -> None:
    refusal = error(post(client, inference(1), inference(2, score=1.4, predicted="C")), 400)
    assert refusal["code"] == "bad_inferences"
    assert refusal["problem_count"] == 2
    assert refusal["problems"] == [
        {
            "index": 1,
            "id": "req-2",
            "field": "predicted",
            "message": "= 'C' cannot be taken: label 'C' is not a choice of 'label': A, B",
        },
        {
            "index": 1,
            "id": "req-2",
            "field": "score",
            "message": "= 1.4 must be between 0 and 1, or null where the model gives none",
        },
    ]
    assert refusal["message"].splitlines() == [
        "nothing of this batch is stored:",
        "inferences[1].predicted = 'C' cannot be taken: label 'C' is not a choice of 'label': A, B",
        "inferences[1].score = 1.4 must be between 0 and 1, or null where the model gives none",
    ]
    assert kept(project) == []


def test_the_first_ten_problems_are_listed_and_all_are_counted(client: FlaskClient) -> None:
    refusal = error(post(client, *(inference(each, score=2) for each in range(25))), 400)
    assert [each["index"] for each in refusal["problems"]] == list(range(10))
    assert refusal["problem_count"] == 25
    assert refusal["message"].endswith("\nand 15 more like these")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"[]", "wrong_type"),
        (b'{"inferences": {}}', "wrong_type"),
        (b'{"inferences": [], "project": 1}', "unknown_field"),
        (b"{}", "bad_inferences"),
        (b'{"inferences": [1]}', "bad_inferences"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client: FlaskClient, body: bytes, code: str) -> None:
    assert error(client.post("/v1/inferences", data=body), 400)["code"] == code


@pytest.mark.parametrize(
    "changed",
    [{"id": "\ud83d"}, {"predicted": "\ud83d"}, {"\ud83d": 1}, {"data": {"\ud83d": 1}}],
    ids=ascii,
)
def test_half_a_character_pair_is_refused_in_words_that_can_be_sent(
    client: FlaskClient, changed: dict[str, object]
) -> None:
    body = json.dumps({"inferences": [inference(1, **changed)]})
    assert error(client.post("/v1/inferences", data=body), 400)["code"] == "bad_inferences"


def test_an_empty_batch_is_nothing(client: FlaskClient) -> None:
    assert told(post(client))["received"] == 0


def test_a_batch_of_too_many_is_refused(project: WebProject, client: FlaskClient) -> None:
    whole = [inference(each) for each in range(MOST_IN_BATCH)]
    assert told(post(client, *whole))["stored"] == MOST_IN_BATCH
    assert error(post(client, *whole, inference(-1)), 400)["code"] == "batch_too_large"
    assert len(kept(project)) == MOST_IN_BATCH


def test_a_batch_that_cannot_be_stored_is_not_answered_as_stored(
    project: WebProject, client: FlaskClient, tmp_path: Path
) -> None:
    assert post(client, inference(1)).status_code == 202
    project.impatient()
    other = sqlite3.connect(tmp_path / "labelgate.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert error(post(client, inference(2)), 503)["code"] == "store_unavailable"
    finally:
        other.close()
    assert told(post(client, inference(1), inference(2)))["stored"] == 1


def test_masked_fields_are_blank_and_no_hash_stays_by_which_they_could_be_guessed(
    tmp_path: Path,
) -> None:
    project = monitored_project(tmp_path, "mask: [name], slices: [country, device]")
    data = {"text": "hello", "name": "Ann", "country": "DE"}
    client = with_token(project)
    sent = inference(1, data=data, data_sha256=data_sha256(data))
    told(post(client, sent))
    (row,) = kept(project)
    assert row["data"] == {"text": "hello", "name": "", "country": "DE"}
    assert row["data_sha256"] == data_sha256(row["data"])
    assert told(post(client, sent))["known"] == 1
    assert told(post(client, inference(1, data={**data, "text": "x"})))["conflicts"] == 1
    assert row["slices"] == {"country": "DE", "device": ""}
    assert "Ann" not in (tmp_path / "labelgate.db").read_bytes().decode(errors="replace")


def test_of_ids_alone_no_data_is_kept(tmp_path: Path) -> None:
    project = monitored_project(tmp_path, "keep: ids, slices: [country]")
    client = with_token(project)
    data = {"text": "a secret", "country": "DE"}
    sent = [
        inference(1, data=data),
        inference(2, data=None, data_sha256=data_sha256(data)),
        inference(3, data=None),
    ]
    told(post(client, *sent))
    assert [row["data"] for row in kept(project)] == [None] * 3
    assert [row["data_sha256"] for row in kept(project)] == [data_sha256(data)] * 2 + [None]
    assert [row["slices"] for row in kept(project)] == [{"country": "DE"}, None, None]
    everything = b"".join(file.read_bytes() for file in tmp_path.glob("labelgate.db*"))
    assert b"a secret" not in everything
    assert told(post(client, *sent))["known"] == 3


def test_no_token_no_entry(project: WebProject) -> None:
    response = project.client().post("/v1/inferences", json=inference(1))
    refusal = error(response, 401)
    assert refusal["code"] == "token_needed"
    assert "labelgate inferences token" in refusal["message"]
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Basic Og==", "Token x", ""])
def test_what_is_no_token_is_refused(project: WebProject, authorization: str) -> None:
    headers = {"Authorization": authorization}
    response = project.client().post("/v1/inferences", json=inference(1), headers=headers)
    assert error(response, 401)["code"] == "token_needed"


def test_wrong_tokens_are_refused(project: WebProject) -> None:
    token = token_of(project)
    for wrong in (token[:-1], token + "x", token.swapcase(), "x", "é"):
        headers = {"Authorization": f"Bearer {wrong}"}
        response = project.client().post("/v1/inferences", json=inference(1), headers=headers)
        assert error(response, 401)["code"] == "wrong_token"
    assert kept(project) == []


def test_the_hash_of_a_token_is_no_token(project: WebProject, tmp_path: Path) -> None:
    token = token_of(project)
    with sqlite3.connect(tmp_path / "labelgate.db") as database:
        ((stored,),) = database.execute("SELECT sha256 FROM inference_tokens")
    database.close()
    assert token not in stored
    response = project.client().post("/v1/inferences", json=inference(1), headers=bearer(stored))
    assert error(response, 401)["code"] == "wrong_token"


def test_revoked_tokens_are_refused_and_new_ones_taken(project: WebProject) -> None:
    old, other = token_of(project), token_of(project)
    client = project.client()
    with project.runtime.sessions.begin() as session:
        assert revoke_tokens(session, PROJECT_ID, project.clock()) == 2
        assert revoke_tokens(session, PROJECT_ID, project.clock()) == 0
    for token in (old, other):
        response = client.post("/v1/inferences", json=inference(1), headers=bearer(token))
        assert error(response, 401)["code"] == "token_revoked"
    new = bearer(token_of(project))
    assert client.post("/v1/inferences", json=inference(1), headers=new).status_code == 202


def test_the_token_of_a_disconnected_project_is_refused(
    project: WebProject, client: FlaskClient
) -> None:
    with project.runtime.sessions.begin() as session:
        mark_disconnected(session, PROJECT_ID, project.clock())
    assert error(post(client, inference(1)), 404)["code"] == "project_not_connected"
    assert kept(project) == []


def test_a_token_needs_no_password_and_a_password_is_no_token(tmp_path: Path) -> None:
    project = monitored_project(tmp_path, username=PASSWORD[0], password=PASSWORD[1])
    client = project.client()
    response = client.post("/v1/inferences", json=inference(1), auth=PASSWORD)
    assert error(response, 401)["code"] == "token_needed"
    headers = bearer(token_of(project))
    assert client.post("/v1/inferences", json=inference(1), headers=headers).status_code == 202
    for path in ("/", "/metrics", "/versions"):  # and it opens nothing else
        assert client.get(path, headers=headers).status_code == 401


def test_another_sites_page_cannot_post_inferences(client: FlaskClient) -> None:
    headers = {"Origin": "http://evil.example"}
    response = client.post("/v1/inferences", json=inference(1), headers=headers)
    assert error(response, 403)["code"] == "foreign_origin"


def test_metrics_count_what_became_of_them(client: FlaskClient) -> None:
    post(client, inference(1), inference(2), key="k")
    post(client, inference(1), inference(2), key="k")
    post(client, inference(1), inference(2, score=0.1))
    post(client, inference(3, score=3))
    lines = client.get("/metrics").text.splitlines()
    counted = {line for line in lines if line.startswith("labelgate_inferences_total")}
    assert counted == {
        f'labelgate_inferences_total{{outcome="{outcome}",project="1"}} {number}.0'
        for outcome, number in (
            ("stored", 2),
            ("repeated", 2),
            ("known", 1),
            ("conflicts", 1),
            ("refused", 1),
        )
    }


def test_more_batches_than_may_wait_are_told_to_come_again(tmp_path: Path) -> None:
    project = monitored_project(tmp_path, web_threads=2)  # room for one, and none waits
    client = with_token(project)
    state: Web = client.application.extensions[NAME]
    with state.turns.taken():
        response = post(client, inference(1))
        assert error(response, 429)["code"] == "too_busy"
        assert response.headers["Retry-After"] == "1"
    assert told(post(client, inference(1)))["stored"] == 1
