"""Share links: what whoever has one sees, and what becomes of it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend import accounts
from backend.store.accounts import ADMIN, VIEWER
from backend.store.job_runs import open_run
from tests.fakes.visitors import (
    HTML,
    add_account,
    quick_passwords,
    secret_on,
    send,
    shared,
    sign_in,
    signed_in,
)
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect(1)
    made.connect(2)
    add_account(made, "ann", ADMIN)
    add_account(made, "bob", VIEWER)
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def statuses(client: FlaskClient, *paths: str) -> list[int]:
    return [client.get(path, headers=HTML).status_code for path in paths]


def test_a_link_leads_to_its_project_and_to_no_other(
    project: WebProject, client: FlaskClient
) -> None:
    _, path = shared(project, 2)
    led = client.get(path, headers=HTML)
    assert (led.status_code, led.location) == (303, "/projects/2")
    assert led.headers["Referrer-Policy"] == "no-referrer"
    assert path not in str(led.headers)
    page = client.get(led.location, headers=HTML)
    assert page.status_code == 200
    assert "Read-only, by a link" in page.text
    assert path.rsplit("/", 1)[1] not in page.text
    assert statuses(client, "/", "/projects/1", "/jobs", "/metrics", "/account") == [
        200,
        404,
        200,
        404,
        404,
    ]
    overview = client.get("/", headers=HTML).text
    assert "/projects/2" in overview
    assert "/projects/1" not in overview
    with project.runtime.sessions.begin() as session:
        other, own = (open_run(session, "sync", each, project.clock()) for each in (1, 2))
    assert statuses(client, f"/jobs/{other}", f"/jobs/{own}") == [404, 200]
    runs = client.get("/jobs", headers=HTML).text
    assert f'"/jobs/{own}"' in runs
    assert f'"/jobs/{other}"' not in runs
    assert "/projects/1" not in runs


def test_a_link_to_all_projects_shows_all_and_changes_nothing(
    project: WebProject, client: FlaskClient
) -> None:
    _, path = shared(project, None)
    assert client.get(path).location == "/"
    assert statuses(client, "/projects/1", "/projects/2", "/jobs", "/account") == [200] * 4
    assert statuses(client, "/account/share") == [403]
    assert send(client, "/account/sign-out-everywhere").status_code == 409
    assert send(client, "/account/password", present="x", new="y").status_code == 409


def test_a_visit_ends_with_its_link_and_is_told_why(
    project: WebProject, client: FlaskClient
) -> None:
    number, path = shared(project, 1)
    client.get(path)
    assert statuses(client, "/projects/1") == [200]
    accounts.stop_sharing(project.runtime, number, "the test")
    for asked in ("/projects/1", path):
        answer = client.get(asked, headers=HTML)
        assert answer.status_code == 410
        assert "taken back" in answer.text
        assert "another one" in answer.text
    assert client.get("/projects/1").json == {
        "error": {"code": "link_over", "message": client.get(path).json["error"]["message"]}  # type: ignore[index]  # it is an object
    }
    assert sign_in(client, "bob").status_code == 303
    assert statuses(client, "/projects/1") == [200]


def test_a_link_expires(project: WebProject, client: FlaskClient) -> None:
    _, path = shared(project, 1, days=0.25)
    client.get(path)
    project.clock.forward(6 * 3600 - 1)
    assert statuses(client, "/projects/1", path) == [200, 303]
    project.clock.forward(1)
    assert statuses(client, "/projects/1", path) == [410, 410]
    assert "good until 2026-03-01 18:00 UTC" in client.get(path, headers=HTML).text


def test_a_visit_that_nobody_goes_on_with_ends_and_the_link_begins_another(
    project: WebProject, client: FlaskClient
) -> None:
    _, path = shared(project, 1)
    client.get(path)
    project.clock.forward(13 * 3600)
    led = client.get("/projects/1", headers=HTML)
    assert led.location == "/sign-in?next=/projects/1"
    client.get(path)
    assert statuses(client, "/projects/1") == [200]


@pytest.mark.parametrize("token", ["lgs_unknown", "x", "%00", "%F0%9F%98%80", "lgs_" + "a" * 5000])
def test_a_link_that_never_was_is_told_so(client: FlaskClient, token: str) -> None:
    answer = client.get(f"/share/{token}", headers=HTML)
    assert answer.status_code == 404
    assert "check that the address is complete" in answer.text
    assert "labelgate=" not in str(answer.headers)


def test_whoever_is_signed_in_stays_who_it_is(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    _, path = shared(project, 1)
    assert ann.get(path).location == "/projects/1"
    assert statuses(ann, "/projects/2", "/account/share") == [200, 200]


def test_the_same_link_again_goes_on_and_another_one_takes_over(
    project: WebProject, client: FlaskClient
) -> None:
    _, first = shared(project, 1)
    _, second = shared(project, 2)
    client.get(first)
    cookie = client.get_cookie("labelgate")
    client.get(first)
    again = client.get_cookie("labelgate")
    assert cookie is not None
    assert again is not None
    assert again.value == cookie.value
    client.get(second)
    assert statuses(client, "/projects/1", "/projects/2") == [404, 200]


def test_whoever_came_by_a_link_can_leave(project: WebProject, client: FlaskClient) -> None:
    _, path = shared(project, 1)
    client.get(path)
    secret = secret_on(client.get("/projects/1", headers=HTML))
    assert client.post("/sign-out", data={"csrf": secret}).status_code == 303
    assert statuses(client, "/projects/1") == [303]


def test_where_nobody_signs_in_a_link_leads_to_its_project(tmp_path: Path) -> None:
    made = web_project(tmp_path)
    made.connect()
    _, path = shared(made, 1)
    client = made.client()
    assert client.get(path).location == "/projects/1"
    assert client.get_cookie("labelgate") is None


def test_a_failure_does_not_write_the_token_into_the_log(
    project: WebProject, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, path = shared(project, 1)
    project.impatient()
    with project.runtime.sessions.begin() as writing:
        writing.connection()
        answer = client.get(path, headers=HTML)
    assert answer.status_code == 503
    assert "Not available right now" in answer.text
    assert "at=/share/<token>" in caplog.text
    token = path.rsplit("/", 1)[1]
    assert token not in caplog.text
    assert token not in answer.text


def test_an_admin_makes_and_takes_back_links_on_the_page(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    made = send(ann, "/account/share", project="2", days="3", note="the board")
    assert made.status_code == 200
    assert made.text.count("/share/lgs_") == 1
    address = made.text.split('id="address" value="')[1].split('"')[0]
    visitor = project.client()
    assert visitor.get(address.removeprefix(project.runtime.settings.own_url)).status_code == 303
    assert "the board" in made.text
    assert "lgs_" not in ann.get("/account/share").text
    send(ann, "/account/share/1/revoke")
    page = ann.get("/account/share", headers=HTML).text
    assert "took back" in page
    assert statuses(visitor, "/projects/2") == [410]


@pytest.mark.parametrize(
    "form",
    [
        {"project": "3", "days": "7"},
        {"project": "", "days": "7"},
        {"project": "2", "days": "0"},
        {"project": "2", "days": "-1"},
        {"project": "2", "days": "366"},
        {"project": "2", "days": "nan"},
        {"project": "2", "days": "inf"},
        {"project": "2", "days": "week"},
        {"project": "all", "days": "7", "note": "x" * 201},
        {"project": "all", "days": "7", "note": "two\nlines"},
    ],
)
def test_what_cannot_be_shared_is_said(project: WebProject, form: dict[str, str]) -> None:
    ann = signed_in(project.app(), "ann")
    answer = send(ann, "/account/share", **form)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "/share/lgs_" not in answer.text


def test_a_link_that_is_not_there_cannot_be_taken_back(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    assert send(ann, "/account/share/99/revoke").status_code == 404
