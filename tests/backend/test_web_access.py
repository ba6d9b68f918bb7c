"""Who may ask what: passwords, the webhooks' secret, and the bare loopback server."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from flask.testing import FlaskClient

from tests.fakes.web_project import PROJECT, WebProject, web_project

ROUTES = [
    ("GET", "/"),
    ("GET", "/projects/1"),
    ("GET", "/jobs"),
    ("GET", "/metrics"),
    ("GET", "/versions"),
    ("GET", "/nowhere"),
    ("POST", "/setup"),
    ("POST", "/predict"),
    ("POST", "/webhook"),
]
TRAINING = {"action": "START_TRAINING", "project": {"id": 1}}
CREATED = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"id": 3, "task": 4}}
SECRET = {"X-Labelgate-Secret": "the secret"}
RIGHT = ("gate", "pässword")


def connected(folder: Path, **settings: object) -> WebProject:
    project = web_project(folder, **settings)
    project.connect()
    return project


@pytest.fixture
def guarded(tmp_path: Path) -> FlaskClient:
    return connected(tmp_path, username=RIGHT[0], password=RIGHT[1]).client()


@pytest.fixture
def bare(tmp_path: Path) -> FlaskClient:
    return connected(tmp_path).client()


def code_of(data: bytes) -> str:
    code: str = orjson.loads(data)["error"]["code"]
    return code


@pytest.mark.parametrize(("method", "route"), ROUTES)
@pytest.mark.parametrize(
    "auth", [None, ("gate", "wrong"), ("wrong", RIGHT[1]), ("", "")], ids=["none", "p", "u", "e"]
)
def test_everything_asks_for_the_password(
    guarded: FlaskClient, method: str, route: str, auth: tuple[str, str] | None
) -> None:
    response = guarded.open(route, method=method, json=TRAINING, auth=auth)
    assert response.status_code == 401
    assert code_of(response.data) == "credentials_needed"
    assert response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["Bearer x", "Basic ???", "Basic", "Basic //8=", ""])
def test_a_malformed_authorization_is_a_401(guarded: FlaskClient, header: str) -> None:
    assert guarded.get("/versions", headers={"Authorization": header}).status_code == 401


def test_the_right_password_opens(guarded: FlaskClient) -> None:
    assert guarded.get("/versions", auth=RIGHT).status_code == 200
    assert guarded.post("/setup", auth=RIGHT, json={"project": PROJECT}).status_code == 200
    assert guarded.post("/webhook", auth=RIGHT, json=TRAINING).status_code == 201


def test_health_is_open(guarded: FlaskClient) -> None:
    assert guarded.get("/health").status_code == 200


def test_the_looks_are_open_for_the_page_to_sign_in_has_them_too(guarded: FlaskClient) -> None:
    response = guarded.get("/static/labelgate.css")
    response.close()
    assert response.status_code == 200


def test_a_password_opens_under_any_name_of_the_server(guarded: FlaskClient) -> None:
    headers = {"Host": "labelgate.internal:9090"}
    assert guarded.get("/versions", auth=RIGHT, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost:9090", "127.0.0.1", "127.0.0.1:1", "[::1]:9090", "LOCALHOST"]
)
def test_without_a_password_loopback_names_are_taken(bare: FlaskClient, host: str) -> None:
    assert bare.get("/versions", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "192.168.1.2"])
def test_without_a_password_other_names_are_refused(bare: FlaskClient, host: str) -> None:
    response = bare.get("/versions", headers={"Host": host})
    assert (response.status_code, code_of(response.data)) == (421, "wrong_host")


def test_the_public_address_is_taken(tmp_path: Path) -> None:
    client = connected(tmp_path, public_url="http://host.docker.internal:9090").client()
    headers = {"Host": "host.docker.internal:9090"}
    assert client.get("/versions", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://["])
def test_another_sites_page_cannot_post(bare: FlaskClient, origin: str) -> None:
    response = bare.post("/webhook", json=TRAINING, headers={"Origin": origin})
    assert (response.status_code, code_of(response.data)) == (403, "foreign_origin")


def test_an_own_page_can_post(bare: FlaskClient) -> None:
    headers = {"Origin": "http://localhost:9090"}
    assert bare.post("/webhook", json=TRAINING, headers=headers).status_code == 201


def test_a_webhook_needs_its_secret(bare: FlaskClient) -> None:
    response = bare.post("/webhook", json=CREATED)
    assert (response.status_code, code_of(response.data)) == (401, "secret_missing")
    assert bare.post("/webhook", json=CREATED, headers=SECRET).status_code == 201


@pytest.mark.parametrize("secret", ["", "the secret ", "wrong", "d\xe9j\xe0"])
def test_a_wrong_secret_is_refused_whatever_comes(bare: FlaskClient, secret: str) -> None:
    for body in (CREATED, TRAINING):
        response = bare.post("/webhook", json=body, headers={"X-Labelgate-Secret": secret})
        assert (response.status_code, code_of(response.data)) == (403, "wrong_secret")


def test_the_secret_is_enough_where_a_password_is_set(guarded: FlaskClient) -> None:
    assert guarded.post("/webhook", json=CREATED, headers=SECRET).status_code == 201


def test_the_secret_opens_nothing_else(guarded: FlaskClient) -> None:
    assert guarded.get("/versions", headers=SECRET).status_code == 401


def test_a_start_training_is_taken_bare_on_loopback_alone(
    bare: FlaskClient, tmp_path: Path
) -> None:
    assert bare.post("/webhook", json=TRAINING).status_code == 201
    guarded = connected(tmp_path, username="a", password="b").client()
    assert guarded.post("/webhook", json=TRAINING).status_code == 401


@pytest.mark.parametrize("route", ["/", "/health", "/nowhere", "/static/labelgate.css"])
def test_headers_are_safe(bare: FlaskClient, route: str) -> None:
    response = bare.get(route)
    response.close()
    headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    # Not "no-referrer": browsers would send the forms of our own pages with `Origin: null`.
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "given", ["Basic \xff", "Basic \xc3\xa9", "Basic \u00a0x", "Basic =", "Basic"]
)
def test_a_password_in_no_letters_is_no_password(tmp_path: Path, given: str) -> None:
    client = web_project(tmp_path, username="gate", password="a password").client()
    for path in ("/projects", "/versions", "/v1/inferences"):
        method = "POST" if path.startswith("/v1") else "GET"
        response = client.open(path, method=method, headers={"Authorization": given})
        assert response.status_code == 401, (path, response.text)
    sent = client.post("/webhook", json={"action": "X"}, headers={"Authorization": given})
    assert sent.status_code == 401


@pytest.mark.parametrize("host", ["x" * 64, f"{'x' * 1000}:80"])
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_a_host_that_is_no_name_is_refused_to_browsers_too(
    tmp_path: Path, host: str, accept: str
) -> None:
    client = web_project(tmp_path, username="gate", password="a password").client()
    headers = {"Host": host, "Accept": accept}
    for path in ("/", "/sign-in", "/versions", "/nowhere"):
        assert client.get(path, headers=headers).status_code in {400, 401}
        signed = client.get(path, headers=headers, auth=("gate", "a password"))
        assert signed.status_code == 400
