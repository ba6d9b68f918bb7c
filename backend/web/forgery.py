"""Forms that another site sends in a visitor's name are refused.

A session has a secret that stands in each of its forms. The form to sign in comes before any
session: its secret stands in a cookie and in the form, and another site can neither read nor set
it. Who sends a password or a token with each request needs none, for no browser adds those by
itself; and what a browser says of where a form came from is looked at in any case
(``authentication``).
"""

from __future__ import annotations

import secrets

from flask import request
from markupsafe import Markup
from werkzeug.wrappers import Response

from backend.comparison import same
from backend.settings import Settings
from backend.web.errors import RequestError
from backend.web.session_cookie import is_secure
from backend.web.visitors import present_session

FIELD = "csrf"
HEADER = "X-Labelgate-Csrf"  # what a page's script sends instead of the field
_COOKIE = "labelgate-form"


def csrf_field() -> Markup:
    """What stands in every form that changes something; nothing where there is no session."""
    session = present_session()
    return Markup() if session is None else hidden_field(session.csrf)


def hidden_field(value: str) -> Markup:
    """The field that a form brings its secret in."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, value)


def require_own_form() -> None:
    """Raises ``RequestError`` (403) where a session's request does not bring its secret."""
    session = present_session()
    if session is not None and not same(_given(), session.csrf):
        raise RequestError(
            403,
            "stale_form",
            "the form does not belong to this session, maybe because you signed in again since it "
            "was opened: go back, load the page anew, and send it again",
        )


def first_secret() -> str:
    """The secret of a form that comes before a session: the browser's, or a new one."""
    return request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)


def give_first_secret(response: Response, settings: Settings, secret: str) -> None:
    """Let the browser keep it until it is closed."""
    response.set_cookie(
        _COOKIE,
        secret,
        path="/sign-in",
        secure=is_secure(settings),
        httponly=True,
        samesite="Lax",
    )


def is_own_first_form() -> bool:
    """Whether a form that comes before a session was opened in the same browser."""
    secret = request.cookies.get(_COOKIE)
    return bool(secret) and same(_given(), secret or "")


def _given() -> str:
    return request.headers.get(HEADER) or request.form.get(FIELD, "")
