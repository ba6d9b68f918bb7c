"""Every route of the app is asked by everybody: a new one without a declaration fails here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.routing.converters import IntegerConverter
from werkzeug.test import TestResponse

from backend.app import create_app
from backend.store.accounts import ADMIN, VIEWER
from backend.web.access import Role, need_of
from backend.web.authentication import DOORS, LABEL_STUDIO, OPEN, OWN_CHECK
from tests.fakes.visitors import (
    HTML,
    add_account,
    bearer,
    quick_passwords,
    send,
    shared,
    signed_in,
    token_of,
)
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")

SHARED, OTHER = 1, 2
DECLARED = OPEN | DOORS | LABEL_STUDIO | OWN_CHECK
SAFE = {"GET", "HEAD"}
# What a viewer may send, for it changes nothing but what is the viewer's own.
OWN_FORMS = {
    "account.password",
    "account.sign_out_everywhere",
    "reward_api.reward",
    "sign_in.leave",
}


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect(SHARED)
    made.connect(OTHER)
    add_account(made, "ann", ADMIN)
    add_account(made, "bob", VIEWER)
    return made


@pytest.fixture
def app(project: WebProject) -> Flask:
    return project.app()


def routes(app: Flask) -> list[tuple[Rule, str]]:
    """Every route with each of its methods; what is told of a path's methods is no view."""
    found = [
        (rule, each)
        for rule in app.url_map.iter_rules()
        for each in (rule.methods or set()) - {"OPTIONS"}
    ]
    assert len(found) > 30
    return sorted(found, key=lambda each: (each[0].rule, each[1]))


def path_of(rule: Rule, project_id: int = SHARED) -> str:
    """A path that the route takes, about this project where it is about one."""
    values: dict[str, Any] = {
        name: 1 if isinstance(rule._converters[name], IntegerConverter) else "x"
        for name in rule.arguments
    }
    if "project_id" in values:
        values["project_id"] = project_id
    built = rule.build(values)
    assert built is not None
    return built[1]


def role_of(app: Flask, rule: Rule) -> Role | None:
    need = need_of(app.view_functions[rule.endpoint])
    return None if need is None else need.role


def ask(client: FlaskClient, path: str, method: str, headers: Any = None) -> TestResponse:
    response = client.open(path, method=method, headers=headers)
    response.close()
    return response


def code_of(response: TestResponse) -> str:
    """The code of an error; what is no error may be a file of any kind."""
    if response.status_code < 400 or not response.is_json or not response.data:
        return ""
    return str((response.json or {}).get("error", {}).get("code", ""))


def test_every_route_is_declared_once(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints >= DECLARED, "a route that is declared is no more"
    assert len(DECLARED) == sum(map(len, (OPEN, DOORS, LABEL_STUDIO, OWN_CHECK)))
    marked = {each for each in endpoints if need_of(app.view_functions[each]) is not None}
    assert not marked & DECLARED, "declared twice"
    assert marked | DECLARED == endpoints, "say with access.needs whom a route is for"


def test_what_changes_something_is_for_admins(app: Flask) -> None:
    for rule, method in routes(app):
        if method not in SAFE and rule.endpoint not in DECLARED | OWN_FORMS:
            assert role_of(app, rule) is Role.ADMIN, rule


def test_a_route_that_nobody_declared_is_for_admins(project: WebProject) -> None:
    app = project.app()
    app.add_url_rule("/forgotten", "forgotten", lambda: "told")
    assert signed_in(app, "bob").get("/forgotten").status_code == 403
    assert app.test_client().get("/forgotten").status_code == 401
    assert signed_in(app, "ann").get("/forgotten").text == "told"


def test_without_signing_in_nobody_gets_anything(app: Flask) -> None:
    client = app.test_client()
    for rule, method in routes(app):
        if rule.endpoint in DECLARED:
            continue
        assert ask(client, path_of(rule), "OPTIONS").status_code == 401, rule
        answer = ask(client, path_of(rule), method)
        assert answer.status_code == 401, (method, rule)
        led = ask(client, path_of(rule), method, HTML)
        assert led.status_code == 303, (method, rule)
        assert led.location.startswith("/sign-in"), (method, rule)


def test_what_has_a_check_of_its_own_refuses_who_has_nothing(app: Flask) -> None:
    client = app.test_client()
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"id": 3}}
    assert client.post("/webhook", json=event).status_code == 401
    assert client.post("/v1/inferences", json={}).status_code == 401


def test_what_label_studio_asks_takes_the_settings_password_alone(tmp_path: Path) -> None:
    made = web_project(tmp_path, username="gate", password="a password")
    add_account(made, "ann", ADMIN)
    app = create_app(made.runtime)
    ann, header = signed_in(app, "ann"), bearer(token_of(made, "ann"))
    for rule, method in routes(app):
        if rule.endpoint in LABEL_STUDIO:
            assert ask(app.test_client(), path_of(rule), method).status_code == 401
            assert ask(app.test_client(), path_of(rule), method, header).status_code == 401
            assert ask(ann, path_of(rule), method).status_code == 401


def test_a_viewer_gets_all_that_is_for_viewers_and_nothing_more(
    app: Flask, project: WebProject
) -> None:
    header = bearer(token_of(project, "bob"))
    for client, brought in ((signed_in(app, "bob"), None), (app.test_client(), header)):
        for rule, method in routes(app):
            if rule.endpoint in DECLARED:
                continue
            answer = ask(client, path_of(rule), method, brought)
            refused = (answer.status_code, code_of(answer)) == (403, "admin_needed")
            if method == "HEAD":  # an answer without a body
                refused = answer.status_code == 403
            assert refused == (role_of(app, rule) is Role.ADMIN), (method, rule, answer.data)


def test_an_admin_is_refused_nothing(app: Flask, project: WebProject) -> None:
    client, header = app.test_client(), bearer(token_of(project, "ann"))
    for rule, method in routes(app):
        if rule.endpoint not in DECLARED | {"account.sign_out_everywhere"}:
            answer = ask(client, path_of(rule), method, header)
            assert answer.status_code not in {401, 403, 421}, (method, rule)


def test_whoever_came_by_a_link_sees_its_project_and_nothing_else(
    app: Flask, project: WebProject
) -> None:
    visitor = app.test_client()
    visitor.get(shared(project, SHARED)[1])
    for rule, method in routes(app):
        if rule.endpoint in DECLARED | {"sign_in.leave"}:
            continue
        need = need_of(app.view_functions[rule.endpoint])
        assert need is not None
        own = ask(visitor, path_of(rule, SHARED), method)
        other = ask(visitor, path_of(rule, OTHER), method)
        if need.role is Role.ADMIN:
            assert (own.status_code, other.status_code) == (403, 403), (method, rule)
        elif "project_id" in rule.arguments:
            assert code_of(own) != "not_shared", (method, rule)
            assert other.status_code == 404, (method, rule)
        elif not need.for_all:
            assert (own.status_code, other.status_code) == (404, 404), (method, rule)


def test_a_form_of_a_session_brings_its_secret_wherever_it_goes(app: Flask) -> None:
    ann = signed_in(app, "ann")
    for rule, method in routes(app):
        if method not in SAFE and rule.endpoint not in DECLARED:
            answer = ask(ann, path_of(rule), method)
            assert (answer.status_code, code_of(answer)) == (403, "stale_form"), (method, rule)


def test_whoever_may_not_see_a_page_is_told_what_to_do(app: Flask) -> None:
    bob, ann = signed_in(app, "bob"), signed_in(app, "ann")
    refused = bob.get("/account/share", headers=HTML)
    assert refused.status_code == 403
    assert "You may not do that" in refused.text
    assert "this takes an admin" in refused.text
    assert "Sign in as somebody else" in refused.text
    missing = ann.get("/projects/77", headers=HTML)
    assert missing.status_code == 404
    assert "There is nothing here" in missing.text
    assert "To the start page" in missing.text
    assert "Sign in" not in missing.text
    assert "There is nothing here" in ann.get("/nowhere", headers=HTML).text
    assert ann.get("/nowhere").json is not None
    assert "default-src 'none'" in missing.headers["Content-Security-Policy"]


def test_a_number_that_no_row_can_have_is_nothing_and_no_fault(app: Flask) -> None:
    client, huge = signed_in(app, "ann"), str(2**63)
    for path in (f"/projects/{huge}", f"/jobs/{huge}", f"/projects/1/decisions/{huge}"):
        assert client.get(path, headers=HTML).status_code == 404
    assert client.get(f"/jobs?before={huge}&project={huge}").status_code == 200
    assert client.get(f"/projects?project={huge}").status_code == 302
    assert send(client, f"/jobs/{huge}/retry").status_code == 404
    assert send(client, "/jobs/run", job="route", project=huge).status_code == 400
    assert send(client, "/jobs/run", job="route", project=str(2**63 - 1)).status_code == 404


def test_an_unexpected_error_is_a_page_that_says_nothing_of_it(project: WebProject) -> None:
    app = create_app(project.runtime)

    def broken() -> str:
        raise RuntimeError("the secret detail")

    app.add_url_rule("/broken", "broken", broken)
    ann = signed_in(app, "ann")
    answer = ann.get("/broken", headers=HTML)
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "its log" in answer.text
    assert "secret detail" not in answer.text
    assert code_of(ann.get("/broken")) == "internal_error"


def test_a_script_of_a_page_gets_json(app: Flask) -> None:
    ann = signed_in(app, "ann")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        assert ann.get("/projects/77", headers={"Accept": accept}).is_json
