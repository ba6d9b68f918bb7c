"""Users of Label Studio that Labelgate makes: the robot, and annotators for tests and the demo.

The invite form is the only door: a user made through the API cannot log in, and no route gives an
admin another user's token.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
)
from connectors.label_studio.connection import NO_KEPT_CONNECTIONS, Connection

ROBOT_EMAIL = "robot@labelgate.example"
_CSRF_FIELD = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class EmailTakenError(AnnotationToolRefusedError):
    """A user with this e-mail exists already; its token can only be had by that user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user that was just made, with the token that its annotations are submitted with."""

    id: int
    email: str
    token: str = field(repr=False)


def add_user(admin: Connection, email: str, password: str | None = None) -> Account:
    """Make a member of the admin's organisation through the invite form, and fetch its token.

    Without a password a random one is set and forgotten: the account then works by token alone.
    Raises ``EmailTakenError``, or another ``AnnotationToolError`` where the form is not taken.
    """
    invite = urlsplit(urljoin(f"{admin.url}/", admin.get("/api/invite")["invite_url"]))
    form = f"{admin.url}/{invite.path.removeprefix(urlsplit(admin.url).path).lstrip('/')}"
    try:
        with httpx.Client(
            headers={"Referer": form}, timeout=60.0, limits=NO_KEPT_CONNECTIONS
        ) as browser:
            address = httpx.URL(form, query=invite.query.encode())
            _sign_up(browser, address, email, password or secrets.token_urlsafe(24))
            user_id = _read(browser.get(f"{admin.url}/api/current-user/whoami"))["id"]
            return Account(id=int(user_id), email=email, token=_token(browser, admin.url))
    except httpx.HTTPError as error:
        raise AnnotationToolUnavailableError(
            f"Label Studio at {admin.url} did not answer while user {email!r} was made: "
            f"{type(error).__name__}: {error}"
        ) from error


def ensure_robot(admin: Connection) -> Account:
    """Make the user whose annotations are the accepted labels.

    Its token is given once: the caller keeps it. Raises ``AnnotationToolRefusedError`` naming
    ``LABELGATE_ROBOT_TOKEN`` where the robot exists already.
    """
    try:
        return add_user(admin, ROBOT_EMAIL)
    except EmailTakenError as error:
        raise AnnotationToolRefusedError(
            f"LABELGATE_ROBOT_TOKEN is not set, but Label Studio at {admin.url} has the robot user "
            f"{ROBOT_EMAIL} already: set LABELGATE_ROBOT_TOKEN to its token (it stands in the file "
            "robot.token of the data folder that made it), or invite a user of another name in "
            "Label Studio and set LABELGATE_ROBOT_TOKEN to that user's token"
        ) from error


def _sign_up(browser: httpx.Client, form: httpx.URL, email: str, password: str) -> None:
    page = browser.get(form)
    csrf = _CSRF_FIELD.search(page.text)
    if csrf is None:
        raise AnnotationToolRefusedError(
            f"Label Studio shows no sign-up form at {form.path} ({page.status_code}): it may allow "
            "single sign-on only; make the user by hand and set LABELGATE_ROBOT_TOKEN to its token"
        )
    fields = {"csrfmiddlewaretoken": csrf[1], "email": email, "password": password}
    answer = browser.post(form, data=fields)
    if answer.status_code == httpx.codes.FOUND:
        return
    if "already exists" in answer.text:
        raise EmailTakenError(f"a user of Label Studio has the e-mail {email!r} already")
    raise AnnotationToolRefusedError(
        f"Label Studio did not take the sign-up of {email!r} ({answer.status_code}); is it an "
        "e-mail address, and the password at least 8 characters long?"
    )


def _token(browser: httpx.Client, url: str) -> str:
    """A legacy token where the organisation allows them, else a personal access token."""
    settings = _read(browser.get(f"{url}/api/jwt/settings"))
    if settings.get("legacy_api_tokens_enabled"):
        return str(_read(browser.get(f"{url}/api/current-user/token"))["token"])
    csrf = {"X-CSRFToken": browser.cookies.get("csrftoken") or ""}
    return str(_read(browser.post(f"{url}/api/token/", headers=csrf))["token"])


def _read(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not response.is_success or not isinstance(body, dict):
        raise AnnotationToolUnavailableError(
            f"Label Studio answered {response.request.url.path} with {response.status_code} "
            "while a user was made"
        )
    return body
