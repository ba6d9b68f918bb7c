"""The ML backend contract: what Label Studio asks, and what it must never be told."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from backend.store.gold import GoldTask, store_gold
from connectors.label_studio.labeling import InputKind
from policies.domain import Candidates
from policies.engine import decide
from policies.loading import parse_policy
from tests.fakes.web_project import (
    CONFIG,
    POLICY,
    PROJECT,
    PROJECT_ID,
    WebProject,
    task,
    web_project,
)

PAYLOADS = Path(__file__).parents[1] / "contract" / "payloads"
IMAGE_CONFIG = CONFIG.replace("<Text", "<Image").replace("$text", "$image")


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    project = web_project(tmp_path)
    project.connect()
    return project


@pytest.fixture
def trained(project: WebProject) -> FlaskClient:
    project.promote("v1")
    return project.client()


def ask(client: FlaskClient, tasks: Any, **more: Any) -> TestResponse:
    return client.post("/predict", json={"project": PROJECT, "tasks": tasks, **more})


def answers(client: FlaskClient, tasks: Any, **more: Any) -> dict[str, Any]:
    response = ask(client, tasks, **more)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = orjson.loads(response.data)
    return body


STRANGE = [
    b'{"text": "a", "n": 123456789012345678901234567890}',
    b'{"text": 123456789012345678901234567890}',
    b'{"text": "\\ud83d\\ude00 \\u0000"}',
    b'{"text": "a", "text": "b"}',
    b'{"text": "half \\ud83d"}',
    b'{"text": NaN}',
    b'{"text": "a", "deep": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    b'["a"]',
    b"null",
    b'"a"',
    b"{",
]


@pytest.mark.parametrize("data", STRANGE)
def test_what_stands_beside_a_task_changes_no_answer(trained: FlaskClient, data: bytes) -> None:
    """Two ways read a body: as Label Studio sends it, and whole where one field is otherwise."""
    task = b'{"id": 7, "meta": {"a": [1]}, "data": ' + data + b"}"
    as_sent = b'{"project": "' + PROJECT.encode() + b'", "tasks": [' + task + b"]}"
    otherwise = as_sent.replace(b'"tasks": [', b'"tasks": [3, ')
    one, both = (trained.post("/predict", data=body) for body in (as_sent, otherwise))
    assert one.status_code == both.status_code < 500
    if one.status_code == 200:
        assert orjson.loads(one.data)["results"] == orjson.loads(both.data)["results"][1:]


def error_of(response: TestResponse) -> tuple[int, str]:
    body = orjson.loads(response.data)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert "Traceback" not in response.text
    return response.status_code, body["error"]["code"]


def routed(ids: range) -> list[int]:
    """The tasks whose purpose lets a person see the model's answer: the policy's own word."""
    candidates = Candidates(
        task_ids=np.array(ids),
        labels=np.full(len(ids), "A", dtype=object),
        scores=np.full(len(ids), 0.9),
        problems=np.full(len(ids), None, dtype=object),
        fields={},
    )
    decisions = decide(parse_policy(POLICY), candidates, None, model_version="v1")
    return [decision.task_id for decision in decisions if not decision.blind]


ROUTED = routed(range(1, 201))
BLIND = sorted(set(range(1, 201)) - set(ROUTED))


def test_a_policy_of_these_tests_has_tasks_of_both_kinds() -> None:
    assert len(ROUTED) > 100
    assert len(BLIND) > 20


def test_health_needs_no_database(tmp_path: Path) -> None:
    project = web_project(tmp_path)
    (tmp_path / "labelgate.db").unlink()
    client = project.client()
    for answer in (client.get("/health"), client.post("/health")):
        assert answer.status_code == 200
        assert answer.json == {"status": "UP", "model_class": "Labelgate"}


def test_before_any_training_nothing_is_answered(project: WebProject) -> None:
    client = project.client()
    version = client.post("/setup", json={"project": PROJECT}).json
    body = answers(client, [task(each) for each in ROUTED[:3]])
    assert version == {"model_version": "no model yet"}
    assert body == {"results": [[], [], []], "model_version": "no model yet"}


def test_a_routed_task_gets_its_label_score_and_version(trained: FlaskClient) -> None:
    body = answers(trained, [task(ROUTED[0], "A"), task(ROUTED[1], "B")])
    labels = [each["result"][0]["value"]["choices"] for each in body["results"]]
    assert labels == [["A"], ["B"]]
    first = body["results"][0]
    assert 0.5 < first["score"] <= 1
    assert first["model_version"] == body["model_version"] == "v1"
    region = {key: value for key, value in first["result"][0].items() if key != "id"}
    assert region == {
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["A"]},
    }
    assert trained.post("/setup", json={"project": PROJECT}).json == {"model_version": "v1"}
    assert trained.get("/versions").json == {"versions": ["v1"]}


def test_gold_gets_nothing_whatever_it_was_before(project: WebProject) -> None:
    project.promote("v1")
    gold = GoldTask(task_id=ROUTED[0], label="A", authors=frozenset([3]))
    with project.runtime.sessions.begin() as session:
        store_gold(session, PROJECT_ID, [gold], project.clock())
    found = answers(project.client(), [task(task_id) for task_id in ROUTED[:2]])
    assert [bool(each) for each in found["results"]] == [False, True]


def test_blind_tasks_get_nothing_and_all_others_an_answer(trained: FlaskClient) -> None:
    body = answers(trained, [task(each) for each in range(1, 201)])
    empty = [number for number, result in enumerate(body["results"], 1) if result == []]
    assert empty == BLIND
    assert "problems" not in body


def test_what_people_said_changes_nothing(trained: FlaskClient) -> None:
    recorded = orjson.loads((PAYLOADS / "predict-batch-1.23.2.json").read_bytes())
    said = recorded["tasks"][0]["annotations"]
    assert said, "the recorded task carries a person's answer"
    plain = [task(each) for each in ROUTED[:5]]
    told = [
        {**each, "annotations": said, "predictions": said, "is_labeled": True, "meta": {"a": 1}}
        for each in plain
    ]
    assert answers(trained, told) == answers(trained, plain)


@pytest.mark.parametrize("name", ["predict-1.23.2.json", "predict-batch-1.23.2.json"])
def test_what_label_studio_really_sends_is_answered(trained: FlaskClient, name: str) -> None:
    payload = (PAYLOADS / name).read_bytes()
    response = trained.post("/predict", data=payload, content_type="application/json")
    assert response.status_code == 200
    body = orjson.loads(response.data)
    assert len(body["results"]) == len(orjson.loads(payload)["tasks"])
    assert "problems" not in body


def test_setup_as_label_studio_sends_it_keeps_no_token(project: WebProject, tmp_path: Path) -> None:
    payload = orjson.loads((PAYLOADS / "setup-1.23.2.json").read_bytes())
    payload["access_token"] = "tokenthatmustnotbekept"
    response = project.client().post("/setup", json=payload)
    assert response.status_code == 200
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"tokenthatmustnotbekept" in path.read_bytes()]


def test_the_config_that_label_studio_sends_is_the_one_answered_in(trained: FlaskClient) -> None:
    config = CONFIG.replace('name="label"', 'name="kind"').replace(
        '<Choice value="B"/>', '<Choice value="C"/><Choice value="D"/>'
    )
    body = answers(trained, [task(ROUTED[0], "A"), task(ROUTED[1], "B")], label_config=config)
    assert body["results"][0]["result"][0]["from_name"] == "kind"
    assert body["results"][1] == [], "label B left the config"


@pytest.mark.parametrize("name", [PROJECT, "1", 1])
def test_a_project_is_named_by_its_id(trained: FlaskClient, name: object) -> None:
    assert ask(trained, [], project=name).json == {"results": [], "model_version": "v1"}


def test_a_promoted_version_is_picked_up_without_a_restart(
    project: WebProject, trained: FlaskClient
) -> None:
    assert answers(trained, [task(ROUTED[0])])["model_version"] == "v1"
    project.promote("v2")
    project.clock.forward(1.5)
    body = answers(trained, [task(ROUTED[0])])
    assert body["model_version"] == body["results"][0]["model_version"] == "v2"
    assert trained.post("/setup", json={"project": PROJECT}).json == {"model_version": "v2"}


def test_two_projects_share_nothing(project: WebProject, trained: FlaskClient) -> None:
    project.connect(2)
    body = answers(trained, [task(ROUTED[0])], project="2.1")
    assert body == {"results": [[]], "model_version": "no model yet"}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        "text",
        [],
        {},
        {"id": 1},
        {"data": {"text": "a"}},
        {"id": "1", "data": {"text": "a"}},
        {"id": True, "data": {"text": "a"}},
        {"id": 1.5, "data": {"text": "a"}},
        {"id": -1, "data": {"text": "a"}},
        {"id": 2**63, "data": {"text": "a"}},
        {"id": 1, "data": None},
        {"id": 1, "data": [1]},
        {"id": ROUTED[0], "data": {}},
        {"id": ROUTED[0], "data": {"text": None}},
        {"id": ROUTED[0], "data": {"text": {"a": 1}}},
        {"id": ROUTED[0], "data": {"text": ""}},
    ],
    ids=repr,
)
def test_a_bad_task_leaves_the_others_predicted(trained: FlaskClient, bad: object) -> None:
    body = answers(trained, [task(ROUTED[1]), bad, task(ROUTED[2])])
    assert body["results"][1] == []
    assert body["results"][0]["result"]
    assert body["results"][2]["result"]
    assert [problem["index"] for problem in body["problems"]] == [1]
    assert body["problems"][0]["message"]


@pytest.mark.parametrize("text", [r"a \ud83d apple", r"a \u0000 apple", r"\uDE00 apple"])
def test_odd_characters_are_predicted_like_others(trained: FlaskClient, text: str) -> None:
    body = (
        f'{{"project":"{PROJECT}","tasks":[{{"id":{ROUTED[0]},"data":{{"text":"{text}"}}}},'
        f'{{"id":{ROUTED[1]},"data":{{"text":"apple"}}}}]}}'
    )
    response = trained.post("/predict", data=body)
    assert response.status_code == 200, response.text
    assert all(result["result"] for result in orjson.loads(response.data)["results"])


def image_client(project: WebProject) -> FlaskClient:
    project.connect(config=IMAGE_CONFIG)
    project.promote("v1", input_kind=InputKind.IMAGE)
    return project.client()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("data:image/png;base64,AAAA", "image"),
        ("http://127.0.0.1:1/a.png", "only data URIs"),
        ("/etc/passwd", "only data URIs"),
    ],
)
def test_a_broken_image_is_a_problem_of_its_task(
    project: WebProject, uri: str, message: str
) -> None:
    client = image_client(project)
    tasks = [{"id": ROUTED[0], "data": {"image": uri}}]
    body = answers(client, tasks, label_config=IMAGE_CONFIG)
    assert body["results"] == [[]]
    assert message in body["problems"][0]["message"]


def test_a_text_model_does_not_read_the_images_that_a_changed_config_shows(
    trained: FlaskClient,
) -> None:
    tasks = [{"id": ROUTED[0], "data": {"image": "data:image/png;base64,AAAA"}}]
    body = answers(trained, tasks, label_config=IMAGE_CONFIG)
    assert body["results"] == [[]]
    assert "the model reads text, the project now shows image" in body["problems"][0]["message"]


def test_label_studio_being_down_is_said_not_stored_as_a_problem(project: WebProject) -> None:
    tasks = [{"id": ROUTED[0], "data": {"image": "/data/upload/1/a.png"}}]
    response = ask(image_client(project), tasks, label_config=IMAGE_CONFIG)
    assert error_of(response) == (503, "label_studio_unavailable")


NESTED = b'{"project":1,"tasks":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize("route", ["/predict", "/setup"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"project=1", "malformed_json"),
        (b'{"project":NaN}', "malformed_json"),
        (b'{"project":NaN,"a":"\\ud800"}', "malformed_json"),
        (b'{"project":1,"a":"\xff\xfe"}', "malformed_json"),
        (b'{"project":1,"a":"\\ud800\xff"}', "malformed_json"),
        (b'{"project":1,"a":"\x00"}', "malformed_json"),
        (NESTED, "malformed_json"),
        (NESTED[:-1] + b',"a":"\\ud800"}', "malformed_json"),
        (b"null", "wrong_type"),
        (b"[]", "wrong_type"),
        (b"{}", "missing_field"),
        (b'{"project":null}', "missing_field"),
        (b'{"project":true}', "wrong_type"),
        (b'{"project":1.5}', "wrong_type"),
        (b'{"project":{"id":1}}', "wrong_type"),
        (b'{"project":"one"}', "wrong_type"),
        (b'{"project":"-1"}', "wrong_type"),
        (b'{"project":"\\ud800"}', "wrong_type"),
        (b'{"project":99999999999}', "wrong_type"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_request_is_told_why(
    trained: FlaskClient, route: str, body: bytes, code: str
) -> None:
    assert error_of(trained.post(route, data=body)) == (400, code)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"tasks": None}, 400, "missing_field"),
        ({"tasks": {}}, 400, "wrong_type"),
        ({"tasks": "1"}, 400, "wrong_type"),
        ({"label_config": 1}, 400, "wrong_type"),
        ({"label_config": "<View"}, 422, "labeling_not_supported"),
        ({"label_config": "<View/>"}, 422, "labeling_not_supported"),
        ({"project": 99}, 404, "project_not_connected"),
    ],
    ids=repr,
)
def test_a_bad_predict_is_told_why(
    trained: FlaskClient, fields: dict[str, object], status: int, code: str
) -> None:
    body = {"project": PROJECT, "tasks": [task(1)], **fields}
    assert error_of(trained.post("/predict", json=body)) == (status, code)


def test_setup_refuses_a_config_that_nothing_can_be_predicted_for(project: WebProject) -> None:
    body = {"project": PROJECT, "schema": "<View><Text name='t' value='$t'/></View>"}
    assert error_of(project.client().post("/setup", json=body)) == (422, "labeling_not_supported")


def test_the_content_type_does_not_matter(trained: FlaskClient) -> None:
    body = orjson.dumps({"project": PROJECT, "tasks": [task(ROUTED[0])]})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", None):
        response = trained.post("/predict", data=body, content_type=content_type)
        assert response.status_code == 200
        assert orjson.loads(response.data)["results"][0]["result"]


def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    project = web_project(tmp_path, max_body_mb=1)
    project.connect()
    response = project.client().post("/predict", data=b"x" * 1_000_001)
    assert error_of(response) == (413, "body_too_large")
    assert "LABELGATE_MAX_BODY_MB" in response.text


def test_a_model_file_that_was_exchanged_is_not_loaded(project: WebProject) -> None:
    model = project.promote("v1")
    path = project.runtime.settings.models_dir / model.path
    path.write_bytes(path.read_bytes() + base64.b64encode(b"more"))
    response = ask(project.client(), [task(ROUTED[0])])
    assert error_of(response) == (503, "model_unreadable")
    assert str(project.runtime.settings.models_dir) not in response.text


def test_unknown_routes_and_methods_are_json_too(trained: FlaskClient) -> None:
    assert error_of(trained.get("/nowhere")) == (404, "not_found")
    response = trained.get("/predict")
    assert error_of(response) == (405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


def test_a_task_that_verifies_a_deployed_model_is_told_nothing_decided_or_not(
    trained: FlaskClient,
) -> None:
    """Between its import and the next round nothing but its data says what it is for."""
    (task_id, *_) = routed(range(1, 100))
    asked = task(task_id)
    assert answers(trained, [asked])["results"] != [[]]
    asked["data"] = {**asked["data"], "labelgate_inference": {"id": "req-1"}}  # type: ignore[dict-item]  # a mapping
    assert answers(trained, [asked])["results"] == [[]]
