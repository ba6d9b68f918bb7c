"""``/openapi.json``: every route is in it, it is valid, and what it describes is what happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from backend.app import create_app
from backend.synchronisation import synchronise
from backend.web.openapi.document import SECURITY, UndescribedRouteError, document_of
from backend.web.openapi.operations import OPERATIONS
from backend.web.openapi.schemas import SCHEMAS
from tests.fakes.inferences import monitored_project, token_of
from tests.fakes.web_project import PROJECT_ID, WebProject, web_project
from tests.fakes.worked_project import worked_policy, worked_project

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
PASSWORD = "pässword of the test"


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    """A project that takes inferences, and whose model serves."""
    made = monitored_project(tmp_path)
    made.promote("text-1")
    return made


@pytest.fixture
def document(project: WebProject) -> dict[str, Any]:
    return document_of(project.app())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_of_the_app_is_described(project: WebProject, document: dict[str, Any]) -> None:
    app = project.app()
    routes = {
        f"{rule.endpoint}.{method.lower()}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in (rule.methods or set()) & METHODS
    }
    described = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(described) == sorted(routes)
    assert all(app.view_functions[name.rsplit(".", 1)[0]].__doc__ for name in routes)


def test_no_description_is_of_a_route_that_is_gone(project: WebProject) -> None:
    app = project.app()
    routes = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    assert OPERATIONS.keys() <= routes


def test_a_route_for_programs_without_a_description_is_an_error(project: WebProject) -> None:
    app = project.app()

    @app.get("/v1/new")
    def new() -> str:
        return ""

    with pytest.raises(UndescribedRouteError, match=r"GET /v1/new: describe 'new'"):
        document_of(app)


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(json.loads(json.dumps(document)))


def test_its_parts_fit_together(document: dict[str, Any]) -> None:
    """What a validator of OpenAPI asks beside the meta-schema, for machines that have none."""
    assert document["openapi"].startswith("3.1.")
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    text = json.dumps(document)
    for name in SCHEMAS:
        assert f"#/components/schemas/{name}" in text or name in {"Prediction", "Inference"}
    for _, path, operation in operations(document):
        told = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert told == {part.split("}")[0] for part in path.split("{")[1:]}
        assert {name for each in operation["security"] for name in each} <= SECURITY.keys()
        assert operation["summary"]
        assert operation["responses"]


EXAMPLES = [key for key, operation in OPERATIONS.items() if operation.body is not None]


@pytest.mark.parametrize(("endpoint", "method"), EXAMPLES, ids=str)
def test_every_example_fits_its_own_shape(endpoint: str, method: str) -> None:
    operation = OPERATIONS[endpoint, method]
    assert operation.body is not None
    check(operation.body, operation.example)


@pytest.mark.parametrize(("endpoint", "method"), list(OPERATIONS), ids=str)
def test_an_example_gets_an_answer_of_the_described_shape(
    project: WebProject, document: dict[str, Any], endpoint: str, method: str
) -> None:
    answers(client_of(project), document, endpoint, method)


def test_trainings_answer_as_described(tmp_path: Path) -> None:
    """Where people have labelled enough, a training is queued, shown, and cancelled."""
    worked = worked_project(tmp_path, worked_policy(retrain={"minimum_labels": 10}))
    worked.add(["fruit", "motor"] * 20)
    for task in worked.tasks:
        worked.server.submit(worked.people["ann"], task.id, "AB"[task.id % 2])
    synchronise(worked.runtime, worked.project)
    app = create_app(worked.runtime)
    client, document = app.test_client(), document_of(app)
    for name, method, status in (
        ("ask", "POST", 202),
        ("show", "GET", 200),
        ("cancel", "DELETE", 200),
    ):
        endpoint = f"training_api.{name}"
        assert answers(client, document, endpoint, method, worked.project_id) == status


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", b'{"project": 99}'])
@pytest.mark.parametrize(
    ("endpoint", "method"), [key for key in EXAMPLES if key[0] != "inference_api.take"]
)
def test_a_wrong_body_gets_an_error_of_the_described_shape(
    project: WebProject, document: dict[str, Any], endpoint: str, method: str, body: bytes
) -> None:
    path = path_of(document, endpoint, method)
    response = client_of(project).open(path, method=method, data=body)
    assert response.status_code in {400, 404, 409}
    check("Error", response.json)


def test_it_is_served_and_holds_no_secret(tmp_path: Path) -> None:
    project = web_project(tmp_path, username="gate", password=PASSWORD)
    client = project.client()
    assert client.get("/openapi.json").status_code == 401
    response = client.get("/openapi.json", auth=("gate", PASSWORD))
    assert response.status_code == 200
    assert response.json == json.loads(json.dumps(document_of(project.app())))
    for secret in (PASSWORD, "the secret", str(tmp_path)):
        assert secret not in response.text


def client_of(project: WebProject) -> FlaskClient:
    client = project.client()
    client.environ_base["HTTP_X_LABELGATE_SECRET"] = "the secret"
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_of(project)}"
    return client


def answers(
    client: FlaskClient,
    document: dict[str, Any],
    endpoint: str,
    method: str,
    project_id: int = PROJECT_ID,
) -> int:
    """Send the example, hold the answer against its description; the status."""
    operation = OPERATIONS[endpoint, method]
    path = path_of(document, endpoint, method).replace("{project_id}", str(project_id))
    response = client.open(path, method=method, json=operation.example)
    answer = operation.answers.get(response.status_code)
    assert answer is not None, f"{response.status_code} is not described: {response.text[:300]}"
    assert response.content_type == answer.content_type
    if answer.shape is not None:
        check(answer.shape, response.json)
    return response.status_code


def path_of(document: dict[str, Any], endpoint: str, method: str) -> str:
    wanted = f"{endpoint}.{method.lower()}"
    (path,) = (
        path for _, path, operation in operations(document) if operation["operationId"] == wanted
    )
    return path


def check(shape: str, value: object) -> None:
    """Raises where the value is not of that shape."""
    schema = {"$ref": f"#/components/schemas/{shape}", "components": {"schemas": SCHEMAS}}
    Draft202012Validator(schema).validate(value)
