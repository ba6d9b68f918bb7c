"""Signing in with a name and a password, or with a token; and signing out."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from backend.accounts import LONGEST_NAME
from backend.inferences.turns import BusyError
from backend.signing_in import Proved, begin_session, by_password, by_token
from backend.store.accounts import any_account
from backend.store.web_sessions import end_session
from backend.web import forgery
from backend.web.access import Role, needs
from backend.web.session_cookie import give_cookie, take_cookie
from backend.web.state import Web, web
from backend.web.visitors import present_session

logger = logging.getLogger(__name__)
blueprint = Blueprint("sign_in", __name__)

_WRONG = "That name and password, or that token, let nobody in."
_OTHER_BROWSER = (
    "This form was not opened in this browser, or the browser keeps no cookies. Allow cookies for "
    "this page, and try again."
)


@blueprint.get("/sign-in")
def page() -> Response:
    """The form; who is signed in already may sign in as somebody else."""
    return _form(status=200, problem=None)


@blueprint.post("/sign-in")
def enter() -> Response:
    """To the page that was wanted, with a new session; or the form again, with what was wrong."""
    state = web()
    if not forgery.is_own_first_form():
        return _form(status=400, problem=_OTHER_BROWSER)
    try:
        with state.password_turns.taken():
            return _entered(state)
    except BusyError:
        return _wait(1, "Many sign in at this moment.")


def _entered(state: Web) -> Response:
    token = request.form.get("token", "").strip()
    name = None if token else request.form.get("name", "").strip()[: LONGEST_NAME + 1]
    address = request.remote_addr or ""
    wait_s = state.attempts.begin(name, address)
    if wait_s is not None:
        return _wait(wait_s, "Too many attempts.")
    proved = _proved(token, name or "")
    runtime = state.runtime
    cookie = None if proved is None else begin_session(runtime, proved, present_session())
    if proved is None or cookie is None:
        # Not the name: people type passwords into the wrong field.
        logger.warning("sign_in.refused address=%s", address)
        return _form(status=403, problem=_WRONG)
    state.attempts.succeeded(name, address)
    account = proved.account.id if proved.account is not None else "of the settings"
    logger.info("sign_in.done account=%s address=%s", account, address)
    response = redirect(local_page(request.form.get("next")), 303)
    give_cookie(response, runtime.settings, cookie)
    return response


@blueprint.post("/sign-out")
@needs(Role.VIEWER, for_all=True)
def leave() -> Response:
    """End the session here and in the database."""
    runtime = web().runtime
    session = present_session()
    if session is not None:
        with runtime.sessions.begin() as writing:
            end_session(writing, session.key, runtime.now())
    response = redirect(url_for("sign_in.page", left=1), 303)
    take_cookie(response, runtime.settings)
    return response


def local_page(wanted: str | None) -> str:
    r"""A page of this server as it was asked for, or the start page.

    A browser takes ``//host`` and ``/\host`` for another server, and drops line breaks.
    """
    start = url_for("overview.page")
    if not wanted or len(wanted) > 2000 or not wanted.isprintable() or "\\" in wanted:
        return start
    try:
        parts = urlsplit(wanted)
    except ValueError:  # "//["
        return start
    if parts.scheme or parts.netloc or not wanted.startswith("/") or wanted.startswith("//"):
        return start
    return start if parts.path.startswith(("/sign-", "/share/")) else wanted


def _proved(token: str, name: str) -> Proved | None:
    if token:
        return by_token(web().runtime, token)
    return by_password(web().runtime, name, request.form.get("password", ""))


def _wait(wait_s: int, why: str) -> Response:
    said = f"{wait_s // 60} min {wait_s % 60} s" if wait_s >= 60 else f"{wait_s} s"
    response = _form(status=429, problem=f"{why} Try again in {said}.")
    response.headers["Retry-After"] = str(wait_s)
    return response


def _form(status: int, problem: str | None) -> Response:
    runtime = web().runtime
    with runtime.reads() as session:
        accounts = any_account(session)
    secret = forgery.first_secret()
    page = render_template(
        "sign_in.html",
        problem=problem,
        name=request.form.get("name", "")[:LONGEST_NAME],
        next=local_page(request.values.get("next")),
        left="left" in request.args,
        needed=accounts or runtime.settings.credentials is not None,
        own_field=forgery.hidden_field(secret),
        now=runtime.now(),
    )
    response = make_response(page, status)
    forgery.give_first_secret(response, runtime.settings, secret)
    return response
