"""What PostgreSQL cannot hold or compare, and SQLite can: told, and never a 500."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.routing.converters import IntegerConverter

from backend.store.answers import answered_task_ids
from backend.store.tables import AnnotationRow
from tests.fakes.web_project import PROJECT, PROJECT_ID, WebProject, web_project

SECRET = {"X-Labelgate-Secret": "the secret"}
BEYOND = (2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30)


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect()
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def test_numbers_beyond_a_column_lead_nowhere(project: WebProject) -> None:
    app = project.app()
    asked = set()
    for rule in app.url_map.iter_rules():
        numbers = [n for n in rule.arguments if isinstance(rule._converters[n], IntegerConverter)]
        for number in BEYOND if numbers else ():
            path = rule.rule
            for name in rule.arguments:
                value = str(number) if name in numbers else "x"
                path = path.replace(f"<int:{name}>", value).replace(f"<{name}>", value)
            for method in (rule.methods or set()) & {"GET", "POST", "DELETE"}:
                status = app.test_client().open(path, method=method).status_code
                assert 300 <= status < 500, (method, path, status)
                asked.add(path)
    assert len(asked) > 50


@pytest.mark.parametrize(
    "path",
    [
        f"/projects/{PROJECT_ID}/decisions?label=%00&human=%00&rule=a%00b",
        f"/projects/{PROJECT_ID}/decisions?task=99999999999999999999&from_seq=9223372036854775807",
        f"/projects/{PROJECT_ID}/models/%00",
        f"/projects/{PROJECT_ID}/policy/earlier/%00",
        "/share/%00",
        "/static/%00",
    ],
)
def test_nul_in_an_address_is_an_ordinary_character(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code < 500


def test_nul_in_a_body_is_taken_or_refused(client: FlaskClient, project: WebProject) -> None:
    event = {
        "action": "ANNOTATION_CREATED\0",
        "project": {"id": PROJECT_ID},
        "task": {"id": 1, "data": {"text": "a\0b"}},
    }
    assert client.post("/webhook", json=event, headers=SECRET).status_code == 201
    asked = {"tasks": [{"id": 1, "data": {"text": "a\0b"}}], "project": PROJECT}
    assert client.post("/predict", json=asked).status_code == 200
    batch = {"inferences": [{"id": "a\0", "predicted": "A\0", "model_version": "v\0"}]}
    path = f"/v1/projects/{PROJECT_ID}/inferences"
    assert 400 <= client.post(path, json=batch).status_code < 500
    now = project.clock()
    with project.runtime.sessions.begin() as session:
        session.add(
            AnnotationRow(
                project_id=PROJECT_ID,
                annotation_id=1,
                task_id=1,
                user_id=3,
                by_robot=False,
                label="a\0b",
                result=[],
                was_cancelled=False,
                ground_truth=False,
                created_at=now,
                updated_at=now,
                first_seen_at=now,
            )
        )
    with project.runtime.reads() as session:
        assert answered_task_ids(session, PROJECT_ID) == [1]
