"""The visitor's own account: who it is, where it is signed in, its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend import accounts
from backend.accounts import AccountError
from backend.store.accounts import ADMIN, VIEWER, account_named
from backend.store.acts import newest_acts
from backend.web.attempts import BY_NAME
from tests.fakes.visitors import (
    HTML,
    PASSWORD,
    add_account,
    bearer,
    quick_passwords,
    send,
    sign_in,
    signed_in,
    token_of,
)
from tests.fakes.web_project import WebProject, web_project

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")
NEW = "ten green bottles"


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    made = web_project(tmp_path)
    add_account(made, "ann", ADMIN)
    add_account(made, "bob", VIEWER)
    return made


def test_it_says_who_is_signed_in_and_where(project: WebProject) -> None:
    app = project.app()
    bob, elsewhere = signed_in(app, "bob"), signed_in(app, "bob")
    page = bob.get("/account", headers=HTML).text
    assert "<h1>bob</h1>" in page
    assert "An account of the role viewer" in page
    assert (page.count("this browser"), page.count("another browser")) == (1, 1)
    assert "/account/share" not in page
    assert "/account/share" in signed_in(app, "ann").get("/account").text
    left = send(bob, "/account/sign-out-everywhere")
    assert left.location == "/sign-in?left=1"
    for client in (bob, elsewhere):
        assert client.get("/account").status_code == 401


def test_another_password_ends_every_other_session(project: WebProject) -> None:
    app = project.app()
    bob, elsewhere = signed_in(app, "bob"), signed_in(app, "bob")
    before = bob.get_cookie("labelgate")
    changed = send(bob, "/account/password", present=PASSWORD, new=NEW, again=NEW)
    assert changed.location == "/account?changed=1"
    assert "The password is changed" in bob.get(changed.location).text
    after = bob.get_cookie("labelgate")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert elsewhere.get("/account").status_code == 401
    assert sign_in(app.test_client(), "bob").status_code == 403
    assert sign_in(app.test_client(), "bob", NEW).status_code == 303
    with project.runtime.reads() as session:
        act = newest_acts(session, None, 1)[0]
    assert (act.who, act.what) == ("bob", "account.password_changed")
    assert act.detail == {"account": "bob"}


@pytest.mark.parametrize(
    ("present", "new", "again", "says"),
    [
        ("wrong", NEW, NEW, "present password is another"),
        (PASSWORD, NEW, NEW + "!", "two different ways"),
        (PASSWORD, "short", "short", "12 to 1,000 characters"),
        ("", "", "", "present password is another"),
    ],
)
def test_a_password_that_is_not_changed_says_why(
    project: WebProject, present: str, new: str, again: str, says: str
) -> None:
    bob = signed_in(project.app(), "bob")
    answer = send(bob, "/account/password", present=present, new=new, again=again)
    assert answer.status_code == 400
    assert says in answer.text
    assert sign_in(project.client(), "bob").status_code == 303


def test_whoever_found_a_browser_open_cannot_try_for_long(project: WebProject) -> None:
    bob = signed_in(project.app(), "bob")
    for _ in range(BY_NAME):
        answer = send(bob, "/account/password", present="guess", new=NEW, again=NEW)
        assert answer.status_code == 400
    answer = send(bob, "/account/password", present=PASSWORD, new=NEW, again=NEW)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "300"


def test_of_two_changes_by_the_same_password_the_later_is_refused(project: WebProject) -> None:
    with project.runtime.reads() as session:
        kept = account_named(session, "bob")
    assert kept is not None
    first = accounts.change_password(project.runtime, "bob", NEW, "bob", proved=kept.password)
    with pytest.raises(AccountError, match="changed by somebody else"):
        accounts.change_password(project.runtime, "bob", PASSWORD, "bob", proved=kept.password)
    with project.runtime.reads() as session:
        assert account_named(session, "bob") == first


def test_a_program_sees_whose_token_it_has(project: WebProject) -> None:
    add_account(project, "robot", VIEWER, None)
    client = project.client()
    header = bearer(token_of(project, "robot"))
    page = client.get("/account", headers=header).text
    assert "<h1>robot</h1>" in page
    assert "brought its password or token along" in page
    assert "Change the password" not in page
    assert client.post("/account/password", headers=header).status_code == 409


def test_where_nobody_signs_in_it_says_how_that_is_changed(tmp_path: Path) -> None:
    page = web_project(tmp_path).client().get("/account").text
    assert "as long as there is no account" in page
    assert "labelgate accounts add NAME --role admin" in page
