"""How often: passwords, secrets and tokens that are wrong, requests, and where they come from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from werkzeug.test import TestResponse

from backend.accounts import new_token
from backend.settings import Settings
from backend.store.accounts import VIEWER
from backend.web import proofs
from backend.web.attempts import Attempts
from backend.web.authentication import PROBES, SENDERS
from backend.web.proofs import BY_ADDRESS, BY_PROOF, TRUSTED, Proofs
from backend.web.rates import AT_ONCE_S, Rates
from backend.web.recent_failures import MOST_KEYS, WINDOW
from tests.fakes.visitors import add_account, bearer
from tests.fakes.web_project import PROJECT, Clock, WebProject, web_project

RIGHT = ("gate", "a long password")
LABEL_STUDIO, STRANGER = "10.0.0.1", "10.0.0.2"
EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"id": 3, "task": 4}}
SECRET = "X-Labelgate-Secret"


def asked(client: FlaskClient, address: str, path: str = "/versions", **more: Any) -> TestResponse:
    method = more.pop("method", "GET")
    return client.open(path, method=method, environ_overrides={"REMOTE_ADDR": address}, **more)


def guess(client: FlaskClient, address: str, name: str = "gate", path: str = "/versions") -> int:
    return asked(client, address, path, auth=(name, "wrong")).status_code


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path, username=RIGHT[0], password=RIGHT[1])
    made.connect()
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


@pytest.mark.parametrize("path", ["/versions", "/jobs", "/metrics"])
def test_a_password_is_guessed_so_often_and_then_not_looked_at(
    client: FlaskClient, project: WebProject, path: str
) -> None:
    assert [guess(client, STRANGER, path=path) for _ in range(BY_PROOF)] == [401] * BY_PROOF
    refused = asked(client, STRANGER, path, auth=RIGHT)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == str(int(WINDOW.total_seconds()))
    assert (refused.json or {})["error"]["code"] == "too_many_attempts"
    project.clock.forward(WINDOW.total_seconds())
    assert asked(client, STRANGER, path, auth=RIGHT).status_code == 200


def test_label_studio_is_not_locked_out_by_who_guesses(client: FlaskClient) -> None:
    for _ in range(3 * BY_ADDRESS):
        guess(client, STRANGER)
    assert asked(client, LABEL_STUDIO, auth=RIGHT).status_code == 200
    setup: dict[str, Any] = {"path": "/setup", "method": "POST", "json": {"project": PROJECT}}
    for _ in range(3 * BY_ADDRESS):
        guess(client, LABEL_STUDIO)  # behind the same proxy
        guess(client, LABEL_STUDIO, name="other")
    assert asked(client, LABEL_STUDIO, auth=RIGHT, **setup).status_code == 200
    assert guess(client, LABEL_STUDIO, name="another") == 429


def test_an_address_guesses_so_many_names(client: FlaskClient) -> None:
    said = [guess(client, STRANGER, name=f"name {each}") for each in range(BY_ADDRESS + 5)]
    assert said == [401] * BY_ADDRESS + [429] * 5


@pytest.mark.parametrize("path", ["/jobs", "/v1/inferences"])
def test_tokens_are_guessed_so_often(client: FlaskClient, project: WebProject, path: str) -> None:
    method = "POST" if path.startswith("/v1") else "GET"
    for _ in range(BY_PROOF):
        wrong = asked(client, STRANGER, path, headers=bearer("lga_wrong"), method=method)
        assert wrong.status_code == 401
    add_account(project, "bot", VIEWER, password=None)
    token = bearer(new_token(project.runtime, "bot", "", "the test"))
    assert asked(client, STRANGER, path, headers=token, method=method).status_code == 429
    if method == "GET":
        assert asked(client, LABEL_STUDIO, path, headers=token).status_code == 200


def test_the_webhooks_secret_is_guessed_so_often_and_events_still_arrive(
    client: FlaskClient,
) -> None:
    event: dict[str, Any] = {"path": "/webhook", "method": "POST", "json": EVENT}
    right, wrong = {SECRET: "the secret"}, {SECRET: "wrong"}
    assert asked(client, LABEL_STUDIO, headers=right, **event).status_code == 201
    for address in (STRANGER, LABEL_STUDIO):
        for _ in range(BY_PROOF):
            assert asked(client, address, headers=wrong, **event).status_code == 403
    assert asked(client, STRANGER, headers=right, **event).status_code == 429
    assert asked(client, LABEL_STUDIO, headers=right, **event).status_code == 201


def test_what_proofs_keep_in_memory_is_bounded() -> None:
    kept = Proofs(Clock())
    for each in range(MOST_KEYS + 100):
        kept.wrong("x" * 10_000, f"address {each}")
        kept.right("x" * 10_000, f"address {each}")
    assert len(kept._wrong) == len(kept._right) == MOST_KEYS
    assert max(len(key[1]) for key in kept._right) == proofs._LONGEST
    for _ in range(10_000):
        kept.wrong("user", STRANGER)
    assert len(kept._wrong._times[STRANGER, "user"]) == BY_ADDRESS


def test_a_clock_that_was_set_back_locks_nobody_out_for_as_long() -> None:
    clock = Clock()
    kept, attempts = Proofs(clock), Attempts(clock)
    for _ in range(BY_PROOF):
        kept.wrong("user ann", "10.0.0.1")
        assert attempts.begin("ann", "10.0.0.1") is None
    assert kept.wait("user ann", "10.0.0.1")
    assert attempts.begin("ann", "10.0.0.1")
    clock.time -= timedelta(days=365)
    assert kept.wait("user ann", "10.0.0.1") == 0
    assert attempts.begin("ann", "10.0.0.1") is None


def test_what_was_right_is_trusted_for_a_day() -> None:
    clock = Clock()
    kept = Proofs(clock)
    kept.right("user", STRANGER)
    clock.forward(TRUSTED.total_seconds() - 1)
    for _ in range(BY_PROOF):
        kept.wrong("user", STRANGER)
    assert kept.wait("user", STRANGER) == 0
    clock.forward(1)
    assert kept.wait("user", STRANGER) > 0


def test_an_address_sends_so_many_requests_and_others_go_on(tmp_path: Path) -> None:
    app = web_project(tmp_path, rate_limit=2).app()
    client = app.test_client()
    said = [asked(client, STRANGER, "/jobs").status_code for _ in range(25)]
    assert set(said[: int(2 * AT_ONCE_S)]) == {200}
    assert said[-1] == 429
    refused = asked(client, STRANGER, "/jobs", headers={"Accept": "text/html"})
    assert refused.headers["Retry-After"] == "1"
    assert "Too many requests" in refused.text
    assert asked(client, LABEL_STUDIO, "/jobs").status_code == 200


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    rates = Rates(2, clock=lambda: now[0])
    assert sum(rates.wait("a") == 0 for _ in range(100)) == 20
    now[0] += 3
    assert sum(rates.wait("a") == 0 for _ in range(100)) == 6
    now[0] += 1e6
    assert sum(rates.wait("a") == 0 for _ in range(100)) == 20


def test_all_routes_are_limited_but_those_that_prove_their_sender(tmp_path: Path) -> None:
    made = web_project(tmp_path, rate_limit=1, username=RIGHT[0], password=RIGHT[1])
    made.connect()
    app = made.app()
    exempt = _unlimited(app)
    assert exempt == SENDERS | PROBES
    client = app.test_client()
    for _ in range(30):
        predict: dict[str, Any] = {
            "path": "/predict",
            "method": "POST",
            "json": {"project": PROJECT, "tasks": []},
        }
        assert asked(client, LABEL_STUDIO, auth=RIGHT, **predict).status_code == 200


def _unlimited(app: Flask) -> set[str]:
    """The routes that an address whose bucket is empty is still answered by."""
    client = app.test_client()
    for _ in range(int(AT_ONCE_S)):
        asked(client, STRANGER, "/sign-in")
    found = set()
    for rule in app.url_map.iter_rules():
        path = rule.build(dict.fromkeys(rule.arguments, 1), append_unknown=False)
        assert path is not None
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = asked(client, STRANGER, path[1], method=method)
            answer.close()
            if answer.headers.get("Retry-After") is None:
                found.add(rule.endpoint)
    return found


@pytest.mark.parametrize("listed", ["10.0.0.0/24", "192.168.0.1, 10.0.0.1"])
def test_label_studios_requests_come_from_where_the_admin_says(tmp_path: Path, listed: str) -> None:
    made = web_project(tmp_path, label_studio_networks=listed)
    made.connect()
    client = made.client()
    right = {SECRET: "the secret"}
    event: dict[str, Any] = {"path": "/webhook", "method": "POST", "json": EVENT, "headers": right}
    for address, status in (("10.0.0.1", 201), ("::ffff:10.0.0.1", 201), ("10.0.1.1", 403)):
        assert asked(client, address, **event).status_code == status
        assert asked(client, address).status_code == (200 if status == 201 else 403)
    assert asked(client, "10.0.1.1", "/jobs").status_code == 200, "pages are for people"


def test_networks_that_are_none_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="label_studio_networks"):
        Settings(data_dir=tmp_path, label_studio_networks="10.0.0.0/8, x")


def test_a_webhook_that_comes_again_changes_nothing_that_was_decided(project: WebProject) -> None:
    """Nothing signs or dates a webhook, so one can be sent again by whoever knows the secret.

    It is a hint and no more: of it the numbers are kept, and what they lead to is read from Label
    Studio. Here nothing else may come of it than rows that a job will look at.
    """
    client = project.client()
    for _ in range(5):
        sent = client.post("/webhook", json=EVENT, headers={SECRET: "the secret"})
        assert sent.status_code == 201
    forged = EVENT | {"annotation": {"id": 3, "task": 4, "result": [{"value": "forged"}]}}
    assert client.post("/webhook", json=forged, headers={SECRET: "the secret"}).status_code == 201
    with project.runtime.reads.kw["bind"].connect() as connection:
        rows = connection.exec_driver_sql("SELECT detail FROM events").scalars().all()
        decisions = connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar()
    assert len(rows) == 6
    assert not any("forged" in str(row) for row in rows)
    assert decisions == 0
