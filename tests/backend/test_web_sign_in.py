"""Signing in and out on the page: sessions, forms, where one is led, and how often one may try."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from audit_jobs.schedule import forget
from backend import accounts, passwords
from backend.signing_in import IDLE, LONGEST, by_password, forgotten_before
from backend.store.accounts import ADMIN, VIEWER
from backend.web.attempts import BY_ADDRESS, BY_NAME
from backend.web.recent_failures import WINDOW
from tests.fakes.visitors import (
    HTML,
    PASSWORD,
    add_account,
    bearer,
    quick_passwords,
    secret_on,
    send,
    sign_in,
    signed_in,
    token_of,
)
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")
OF_SETTINGS = ("gate", "a long pässword")


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    made.connect()
    add_account(made, "ann", ADMIN)
    add_account(made, "bob", VIEWER)
    return made


@pytest.fixture
def client(project: WebProject) -> FlaskClient:
    return project.client()


def sees(client: FlaskClient) -> bool:
    return client.get("/", headers=HTML).status_code == 200


def test_as_soon_as_there_is_an_account_pages_are_for_accounts(tmp_path: Path) -> None:
    made = web_project(tmp_path)
    client = made.client()
    assert sees(client)
    add_account(made, "ann", VIEWER)
    assert not sees(client)
    accounts.disable(made.runtime, "ann", "the test")
    assert not sees(client)


def test_a_browser_is_led_to_the_form_and_back(client: FlaskClient) -> None:
    led = client.get("/projects/1?a=b&c=d", headers=HTML)
    assert led.status_code == 303
    assert led.location == "/sign-in?next=/projects/1?a%3Db%26c%3Dd"
    form = client.get(led.location)
    wanted = {"csrf": secret_on(form), "name": "ann", "password": PASSWORD}
    assert 'name="next" value="/projects/1?a=b&amp;c=d"' in form.text
    back = client.post("/sign-in", data={**wanted, "next": "/projects/1?a=b&c=d"}, headers=HTML)
    assert (back.status_code, back.location) == (303, "/projects/1?a=b&c=d")
    page = client.get(back.location, headers=HTML)
    assert page.status_code == 200
    assert "ann" in page.text


def test_a_program_is_told_what_to_send(client: FlaskClient) -> None:
    for accept in ("*/*", "application/json", ""):
        answer = client.get("/", headers={"Accept": accept})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "labelgate accounts token" in (answer.json or {})["error"]["message"]


def test_a_form_that_is_sent_without_a_session_leads_to_signing_in(client: FlaskClient) -> None:
    led = client.post("/account/share", headers=HTML)
    assert (led.status_code, led.location) == (303, "/sign-in")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "http:evil",
        "projects/1",
        "//[",
        "",
        "/" + "x" * 2000,
        "/sign-in",
        "/sign-out",
        "/share/lgs_x",
    ],
)
def test_nobody_is_led_elsewhere(client: FlaskClient, wanted: str) -> None:
    form = client.get("/sign-in", query_string={"next": wanted})
    assert 'name="next" value="/"' in form.text
    assert sign_in(client, "ann", next=wanted).location == "/"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ann", "wrong"),
        ("ann", ""),
        ("", ""),
        ("nobody", PASSWORD),
        ("Ann", PASSWORD),
        ("a\0", "b"),
    ],
)
def test_what_is_wrong_is_not_said(client: FlaskClient, name: str, password: str) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 403
    assert "let nobody in" in answer.text
    assert 'role="alert"' in answer.text
    assert client.get_cookie("labelgate") is None
    assert not sees(client)


def test_whoever_it_is_one_key_is_derived(
    project: WebProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(project, "robot", VIEWER, None)
    add_account(project, "gone", VIEWER)
    accounts.disable(project.runtime, "gone", "the test")
    asked: list[str | None] = []
    is_right = passwords.is_right

    def counted(stored: str | None, given: str) -> bool:
        asked.append(stored and stored[:6])
        return is_right(stored, given)

    monkeypatch.setattr(passwords, "is_right", counted)
    for name in ("ann", "nobody", "robot", "gone"):
        assert (by_password(project.runtime, name, PASSWORD) is not None) == (name == "ann")
    assert asked == ["scrypt", None, None, None]


def test_the_cookie_is_for_this_server_alone(client: FlaskClient) -> None:
    given = sign_in(client, "ann").headers.getlist("Set-Cookie")
    (session,) = [each for each in given if each.startswith("labelgate=")]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in session
    assert "Secure" not in session
    assert "Domain" not in session


def test_behind_https_it_goes_no_other_way(tmp_path: Path) -> None:
    made = web_project(tmp_path, public_url="https://gate.example")
    add_account(made, "ann", ADMIN)
    client = made.client()
    client.get("/sign-in", base_url="https://gate.example")
    secret = secret_on(client.get("/sign-in", base_url="https://gate.example"))
    answer = client.post(
        "/sign-in",
        base_url="https://gate.example",
        headers={**HTML, "Origin": "https://gate.example"},
        data={"csrf": secret, "name": "ann", "password": PASSWORD},
    )
    (session,) = [
        each
        for each in answer.headers.getlist("Set-Cookie")
        if each.startswith("__Host-labelgate=")
    ]
    assert "; Secure" in session
    assert client.get("/", base_url="https://gate.example", headers=HTML).status_code == 200


def test_signing_in_gives_another_session_and_ends_the_former(
    project: WebProject, client: FlaskClient
) -> None:
    sign_in(client, "bob")
    first = client.get_cookie("labelgate")
    sign_in(client, "ann")
    second = client.get_cookie("labelgate")
    assert first is not None
    assert second is not None
    assert first.value != second.value
    other = project.client()
    other.set_cookie("labelgate", first.value)
    assert not sees(other)


def test_a_cookie_that_was_brought_along_is_not_taken_over(client: FlaskClient) -> None:
    client.set_cookie("labelgate", "chosen by somebody else")
    sign_in(client, "ann")
    cookie = client.get_cookie("labelgate")
    assert cookie is not None
    assert cookie.value != "chosen by somebody else"


def test_signing_out_ends_the_session_in_the_database_too(
    project: WebProject, client: FlaskClient
) -> None:
    sign_in(client, "ann")
    cookie = client.get_cookie("labelgate")
    assert cookie is not None
    left = send(client, "/sign-out")
    assert (left.status_code, left.location) == (303, "/sign-in?left=1")
    assert client.get_cookie("labelgate") is None
    assert "You are signed out" in client.get(left.location).text
    other = project.client()
    other.set_cookie("labelgate", cookie.value)
    assert not sees(other)


def test_a_form_of_another_session_is_refused(project: WebProject) -> None:
    app = project.app()
    ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
    of_bob = secret_on(bob.get("/account"))
    for form in ({}, {"csrf": ""}, {"csrf": of_bob}, {"csrf": "x"}):
        answer = ann.post("/sign-out", data=form)
        assert answer.status_code == 403
        assert (answer.json or {})["error"]["code"] == "stale_form"
    assert "load the page anew" in ann.post("/sign-out", headers=HTML).text
    assert sees(ann)


def test_a_script_of_a_page_sends_the_secret_in_a_header(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    path = "/v1/projects/1/training"
    assert ann.delete(path).status_code == 403
    secret = secret_on(ann.get("/account"))
    assert ann.delete(path, headers={"X-Labelgate-Csrf": secret}).status_code == 200


def test_credentials_beside_a_cookie_do_not_stand_in_for_the_secret(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    for header in (bearer("lga_wrong"), {"Authorization": "Basic eDp5"}):
        assert ann.post("/sign-out", headers=header).status_code == 403


def test_a_program_needs_no_secret(project: WebProject, client: FlaskClient) -> None:
    token = token_of(project, "ann")
    assert client.delete("/v1/projects/1/training", headers=bearer(token)).status_code == 200


def test_another_sites_form_is_refused_whatever_it_knows(project: WebProject) -> None:
    ann = signed_in(project.app(), "ann")
    secret = secret_on(ann.get("/account"))
    answer = ann.post(
        "/sign-out", data={"csrf": secret}, headers={"Origin": "https://evil.example"}
    )
    assert (answer.json or {})["error"]["code"] == "foreign_origin"
    assert sees(ann)


def test_the_form_to_sign_in_must_come_from_the_same_browser(project: WebProject) -> None:
    foreign = secret_on(project.client().get("/sign-in"))
    form = {"name": "ann", "password": PASSWORD}
    for sent in (form, {**form, "csrf": foreign}, {**form, "csrf": ""}):
        answer = project.client().post("/sign-in", data=sent, headers=HTML)
        assert answer.status_code == 400
        assert "cookies" in answer.text
        assert "labelgate=" not in str(answer.headers)


def test_a_session_that_nobody_uses_ends(project: WebProject, client: FlaskClient) -> None:
    sign_in(client, "ann")
    project.clock.forward(IDLE.total_seconds() - 1)
    assert sees(client)
    project.clock.forward(IDLE.total_seconds() - 1)
    assert sees(client)
    project.clock.forward(IDLE.total_seconds())
    assert not sees(client)


def test_a_session_that_is_used_ends_all_the_same(project: WebProject, client: FlaskClient) -> None:
    sign_in(client, "ann")
    step = IDLE / 2
    for _ in range(LONGEST // step - 1):
        project.clock.forward(step.total_seconds())
        assert sees(client)
    project.clock.forward(step.total_seconds())
    assert not sees(client)


def test_an_expiry_is_written_now_and_then_only(project: WebProject, client: FlaskClient) -> None:
    sign_in(client, "ann")

    def expiry() -> str:
        with project.runtime.reads() as session:
            return str(session.scalar(text("SELECT expires_at FROM web_sessions")))

    first = expiry()
    project.clock.forward(599)
    assert sees(client)
    assert expiry() == first
    project.clock.forward(1)
    assert sees(client)
    assert expiry() > first


def test_a_page_is_shown_while_a_job_writes(project: WebProject, client: FlaskClient) -> None:
    sign_in(client, "ann")
    project.clock.forward(3600)
    project.impatient()
    with project.runtime.sessions.begin() as writing:
        writing.execute(text("UPDATE accounts SET role = role"))
        assert sees(client)


def test_the_nightly_job_forgets_what_is_over(project: WebProject, client: FlaskClient) -> None:
    sign_in(client, "ann")
    sign_in(client, "ann")
    project.clock.forward((LONGEST + timedelta(hours=1)).total_seconds())
    forget(project.runtime)
    with project.runtime.reads() as session:
        assert session.scalar(text("SELECT count(*) FROM web_sessions")) == 1  # by idle time
    project.clock.forward(IDLE.total_seconds())
    forget(project.runtime)
    with project.runtime.reads() as session:
        assert session.scalar(text("SELECT count(*) FROM web_sessions")) == 0
    assert forgotten_before(project.clock()) < project.clock()


def test_two_may_be_signed_in_and_two_sign_in_at_once(project: WebProject) -> None:
    app = project.app()
    with ThreadPoolExecutor(3) as pool:
        clients = list(pool.map(lambda _: signed_in(app, "ann"), range(3)))
    assert all(map(sees, clients))
    assert len({str(each.get_cookie("labelgate")) for each in clients}) == 3


def test_a_disabled_account_is_out_at_once(project: WebProject, client: FlaskClient) -> None:
    token = token_of(project, "ann")
    sign_in(client, "ann")
    accounts.disable(project.runtime, "ann", "the test")
    assert not sees(client)
    assert project.client().get("/", headers=bearer(token)).status_code == 401
    assert sign_in(client, "ann").status_code == 403
    accounts.enable(project.runtime, "ann", "the test")
    assert not sees(client)  # the session has ended, and stays so
    assert sign_in(client, "ann").status_code == 303


def test_a_role_that_changes_counts_from_the_next_request_on(
    project: WebProject, client: FlaskClient
) -> None:
    sign_in(client, "ann")
    assert client.get("/account/share").status_code == 200
    accounts.change_role(project.runtime, "ann", VIEWER, "the test")
    assert client.get("/account/share").status_code == 403


def test_a_token_signs_in_and_reads(project: WebProject, client: FlaskClient) -> None:
    token = token_of(project, "bob")
    assert client.get("/", headers=bearer(token)).status_code == 200
    assert client.get("/v1/projects/1/training", headers=bearer(token)).status_code == 200
    secret = secret_on(client.get("/sign-in"))
    answer = client.post("/sign-in", data={"csrf": secret, "token": f" {token} "}, headers=HTML)
    assert answer.status_code == 303
    assert sees(client)
    assert accounts.revoke_tokens(project.runtime, "bob", None, "the test") == 1
    assert not sees(client)
    answer = client.post("/sign-in", data={"csrf": secret, "token": token}, headers=HTML)
    assert answer.status_code == 403


def test_a_crowd_does_not_take_every_thread(project: WebProject) -> None:
    app = project.app()
    clients = [app.test_client() for _ in range(2)]
    turns = app.extensions["labelgate"].password_turns
    with ExitStack() as others:  # as many as may wait, and the one whose turn it is
        for _ in range(3):
            turns._room.acquire(blocking=False)
            others.callback(turns._room.release)
        for client in clients:
            answer = sign_in(client, "ann")
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert all(sign_in(client, "ann").status_code == 303 for client in clients)


def test_a_name_is_tried_too_often(project: WebProject, client: FlaskClient) -> None:
    for _ in range(BY_NAME):
        assert sign_in(client, "ann", "wrong").status_code == 403
    answer = sign_in(client, "ann")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == str(int(WINDOW.total_seconds()))
    assert "Try again in 5 min 0 s" in answer.text
    assert sign_in(client, "bob").status_code == 303
    project.clock.forward(WINDOW.total_seconds())
    assert sign_in(client, "ann").status_code == 303


def test_an_address_tries_too_many(client: FlaskClient) -> None:
    for each in range(BY_ADDRESS):
        assert sign_in(client, f"name {each}", "wrong").status_code == 403
    assert sign_in(client, "ann").status_code == 429


def test_behind_a_proxy_the_address_is_the_one_that_it_names(tmp_path: Path) -> None:
    made = web_project(tmp_path, proxies=1)
    add_account(made, "ann", ADMIN)
    client = made.client()
    secret = secret_on(client.get("/sign-in"))

    def tried(name: str, forwarded: str) -> int:
        return client.post(
            "/sign-in",
            data={"csrf": secret, "name": name, "password": "wrong"},
            headers={"X-Forwarded-For": forwarded},
        ).status_code

    for each in range(BY_ADDRESS):
        tried(f"name {each}", f"10.9.9.{each}, 10.0.0.1")  # only the last is the proxy's word
    assert tried("other", "10.0.0.1") == 429
    assert tried("other", "10.0.0.2") == 403


def test_without_a_proxy_nobody_chooses_an_address(client: FlaskClient) -> None:
    secret = secret_on(client.get("/sign-in"))
    for each in range(BY_ADDRESS + 1):
        answer = client.post(
            "/sign-in",
            data={"csrf": secret, "name": f"name {each}", "password": "wrong"},
            headers={"X-Forwarded-For": f"10.0.0.{each}"},
        )
    assert answer.status_code == 429


def test_the_settings_user_signs_in_on_the_page_too(tmp_path: Path) -> None:
    made = web_project(tmp_path, username=OF_SETTINGS[0], password=OF_SETTINGS[1])
    client = made.client()
    assert sign_in(client, OF_SETTINGS[0], "wrong").status_code == 403
    assert sign_in(client, *OF_SETTINGS).status_code == 303
    page = client.get("/account", headers=HTML)
    assert "LABELGATE_PASSWORD" in page.text
    assert "this browser" in page.text
    cookie = client.get_cookie("labelgate")
    assert cookie is not None
    for settings in ({"username": "gate", "password": "another"}, {}):
        other = web_project(tmp_path, **settings)  # the same database under other settings
        add_account_once(other)
        client = other.client()
        client.set_cookie("labelgate", cookie.value)
        assert not sees(client)


def add_account_once(project: WebProject) -> None:
    if accounts_of(project) == 0:
        add_account(project, "ann", ADMIN)


def accounts_of(project: WebProject) -> int:
    with project.runtime.reads() as session:
        return int(session.scalar(text("SELECT count(*) FROM accounts")) or 0)


def test_the_page_says_where_nobody_has_to_sign_in(tmp_path: Path) -> None:
    page = web_project(tmp_path).client().get("/sign-in?next=/jobs")
    assert "Nobody has to sign in here yet" in page.text
    assert 'href="/jobs"' in page.text


def test_no_log_and_no_page_holds_a_secret(
    project: WebProject, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = token_of(project, "ann")
    sign_in(client, "ann")
    cookie = client.get_cookie("labelgate")
    assert cookie is not None
    wrong = sign_in(client, "my secret typed here", "my other secret")
    secret = secret_on(client.get("/sign-in"))
    client.post("/sign-in", data={"csrf": secret, "token": token}, headers=HTML)
    said = caplog.text + wrong.text.replace('value="my secret typed here"', "")
    for hidden in (PASSWORD, token, cookie.value, "my secret typed here", "my other secret"):
        assert hidden not in said
    assert "sign_in.done account=1" in caplog.text
    with project.runtime.reads() as session:
        rows = str(session.execute(text("SELECT * FROM web_sessions")).all())
    assert cookie.value not in rows
