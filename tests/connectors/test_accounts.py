"""The invite form, as Label Studio 1.23.2 answers it, on a server that says what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.annotation_tool import AnnotationToolRefusedError, AnnotationToolUnavailableError
from connectors.label_studio.accounts import ROBOT_EMAIL, add_user, ensure_robot
from connectors.label_studio.connection import Connection
from tests.fakes.failing_server import Answer, FailingServer, running

JSON, HTML = "application/json", "text/html"
INVITE: Answer = (200, JSON, '{"invite_url": "/user/signup/?token=abc"}')
FORM: Answer = (200, HTML, '<input type="hidden" name="csrfmiddlewaretoken" value="c5rf">')
SIGNED_UP: Answer = (302, "/", "")
WHO: Answer = (200, JSON, '{"id": 7}')


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as failing:
        thread = running(failing)
        yield failing
        failing.stop(thread)


@pytest.fixture
def admin(server: FailingServer) -> Connection:
    return Connection(server.url, "t", setting="LABELGATE_LABEL_STUDIO_TOKEN", backoff_s=0.001)


@pytest.mark.parametrize(
    ("legacy", "asked_for"), [("true", "/api/current-user/token"), ("false", "/api/token/")]
)
def test_a_new_user_comes_with_a_token_of_the_kind_that_is_allowed(
    server: FailingServer, admin: Connection, legacy: str, asked_for: str
) -> None:
    settings: Answer = (200, JSON, f'{{"legacy_api_tokens_enabled": {legacy}}}')
    server.tell(INVITE, FORM, SIGNED_UP, WHO, settings, (200, JSON, '{"token": "t0k"}'))
    account = add_user(admin, "anna@example.com")
    assert (account.id, account.email, account.token) == (7, "anna@example.com", "t0k")
    paths = [path for _, path, _ in server.asked]
    assert paths[1:3] == ["/user/signup/?token=abc"] * 2
    assert paths[-1] == asked_for


def test_a_robot_that_exists_already_names_the_variable_and_the_way_out(
    server: FailingServer, admin: Connection
) -> None:
    server.tell(INVITE, FORM, (200, HTML, "User with this email already exists"))
    with pytest.raises(AnnotationToolRefusedError, match=r"LABELGATE_ROBOT_TOKEN .* robot\.token"):
        ensure_robot(admin)
    assert ROBOT_EMAIL in server.bodies[-1].replace("%40", "@")


def test_a_server_without_the_form_says_so(server: FailingServer, admin: Connection) -> None:
    server.tell(INVITE, (200, HTML, "single sign-on"))
    with pytest.raises(AnnotationToolRefusedError, match="no sign-up form at /user/signup/"):
        add_user(admin, "anna@example.com")
    server.tell(INVITE, FORM, (200, HTML, "Enter a valid email"))
    with pytest.raises(AnnotationToolRefusedError, match="did not take the sign-up of 'anna'"):
        add_user(admin, "anna")
    server.tell(INVITE, FORM, SIGNED_UP, (500, HTML, "broken"))
    with pytest.raises(AnnotationToolUnavailableError, match="/api/current-user/whoami with 500"):
        add_user(admin, "anna@example.com")
