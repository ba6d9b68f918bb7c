"""Who am I: the visitor's own account, sessions and password."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from backend import passwords
from backend.accounts import AccountError, change_password
from backend.inferences.turns import BusyError
from backend.signing_in import Proved, begin_session
from backend.store.accounts import Account, account_named
from backend.store.web_sessions import end_sessions_of, sessions_of_account
from backend.web.access import Role, needs, visitor
from backend.web.errors import RequestError
from backend.web.session_cookie import give_cookie, take_cookie
from backend.web.state import web
from backend.web.visitors import present_session

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("")
@needs(Role.VIEWER)
def page() -> Response:
    """The account, and where it is signed in."""
    return _page(status=200, problem=None)


@blueprint.post("/password")
@needs(Role.VIEWER)
def password() -> Response:
    """Another password for who knows the present one; every other session ends."""
    account = _own_account()
    if account is None or account.password is None:
        raise RequestError(
            409,
            "no_password",
            f"{visitor().name} has no password that this page could change: `labelgate accounts "
            "password` sets that of an account",
        )
    try:
        with web().password_turns.taken():
            return _changed(account)
    except BusyError:
        return _wait(1, "many passwords are looked at")


def _changed(account: Account) -> Response:
    state = web()
    address = request.remote_addr or ""
    wait_s = state.attempts.begin(account.name, address)
    if wait_s is not None:
        return _wait(wait_s, "too many attempts")
    if not passwords.is_right(account.password, request.form.get("present", "")):
        return _page(status=400, problem="the present password is another one")
    state.attempts.succeeded(account.name, address)
    new = request.form.get("new", "")
    if new != request.form.get("again", ""):
        return _page(status=400, problem="the new password was typed in two different ways")
    try:
        changed = change_password(
            state.runtime, account.name, new, by=account.name, proved=account.password
        )
    except AccountError as error:
        return _page(status=400, problem=str(error))
    return _signed_in_anew(changed)


@blueprint.post("/sign-out-everywhere")
@needs(Role.VIEWER)
def sign_out_everywhere() -> Response:
    """End every session of the visitor's, this one too."""
    runtime = web().runtime
    if visitor().by_link:
        raise RequestError(409, "no_account", "a share link has no sessions of its own: sign out")
    with runtime.sessions.begin() as session:
        end_sessions_of(session, visitor().account, runtime.now())
    response = redirect(url_for("sign_in.page", left=1), 303)
    take_cookie(response, runtime.settings)
    return response


def _wait(wait_s: int, why: str) -> Response:
    response = _page(status=429, problem=f"{why}: try again in {wait_s} s")
    response.headers["Retry-After"] = str(wait_s)
    return response


def _signed_in_anew(changed: Account) -> Response:
    """Back to the page; the browser gets a new session, for the change ended its own as well."""
    runtime = web().runtime
    response = redirect(url_for("account.page", changed=1), 303)
    former = present_session()
    if former is not None:
        cookie = begin_session(runtime, Proved(account=changed), former)
        if cookie is not None:  # else somebody was faster: whoever knows the password signs in
            give_cookie(response, runtime.settings, cookie)
    return response


def _own_account() -> Account | None:
    if visitor().account is None:
        return None
    with web().runtime.reads() as session:
        return account_named(session, visitor().name)


def _page(status: int, problem: str | None) -> Response:
    runtime = web().runtime
    now = runtime.now()
    own = _own_account()
    settings_user = runtime.settings.credentials is not None and not visitor().by_link
    sessions = []
    if own is not None or settings_user:
        with runtime.reads() as session:
            sessions = sessions_of_account(session, visitor().account, now)
    here = present_session()
    page = render_template(
        "account.html",
        account=own,
        sessions=sessions,
        here=here,
        settings_user=settings_user and own is None,
        problem=problem,
        changed="changed" in request.args,
        least=passwords.LEAST,
        now=now,
    )
    return make_response(page, status)
