"""Who a request is from: by what it brings, or, where nobody has to sign in, this machine."""

from __future__ import annotations

import logging

from flask import g, request
from sqlalchemy.exc import OperationalError

from backend.comparison import same
from backend.runtime import Runtime
from backend.signing_in import by_token, keep_open, session_of
from backend.store.accounts import ADMIN, Account, any_account
from backend.store.share_links import EXPIRED, OPEN, ShareLink
from backend.store.web_sessions import WebSession
from backend.web.access import Role, Visitor
from backend.web.errors import RequestError
from backend.web.figure_words import time
from backend.web.proving import looked_at
from backend.web.session_cookie import given_cookie

logger = logging.getLogger(__name__)


def present(runtime: Runtime) -> Visitor | None:
    """Who asks; None where it proved to be nobody, and that is needed."""
    return _by_header(runtime) or _by_cookie(runtime) or _on_this_machine(runtime)


def present_session() -> WebSession | None:
    """The session that let the present request in; or, of a link that is over, did not."""
    found: WebSession | None = g.get("web_session")
    return found


def is_settings_user(credentials: tuple[str, str]) -> bool:
    """Whether the request carries this name and password by basic authentication.

    Raises ``RequestError`` (429) after too many that were wrong.
    """
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    username, password = given.username or "", given.password or ""
    # Both are compared, so that the time taken does not say which of them was wrong.
    right = [same(username, credentials[0]), same(password, credentials[1])]
    return looked_at(f"user {username}", lambda: True if all(right) else None) is not None


def link_is_over(link: ShareLink, state: str) -> RequestError:
    """What whoever has the link is told: politely, for it is no fault of theirs."""
    if state == EXPIRED:
        happened = f"this link was good until {time(link.expires_at)}, and has expired"
    else:
        happened = "this link was taken back by whoever shared it"
    return RequestError(
        410, "link_over", f"{happened}: ask whoever sent it to you for another one, or sign in"
    )


def _by_header(runtime: Runtime) -> Visitor | None:
    given = request.authorization
    if given is None:
        return None
    credentials = runtime.settings.credentials
    if given.type == "basic" and credentials is not None and is_settings_user(credentials):
        return _settings_user(credentials)
    if given.type == "bearer" and given.token:
        token = given.token
        proved = looked_at("account's token", lambda: by_token(runtime, token))
        if proved is not None and proved.account is not None:
            return _of_account(proved.account)
    return None


def _by_cookie(runtime: Runtime) -> Visitor | None:
    cookie = given_cookie(runtime.settings)
    found = session_of(runtime, cookie) if cookie else None
    if found is None:
        return None
    g.web_session = found
    if found.link is not None and found.link.state(runtime.now()) != OPEN:
        return None
    try:
        keep_open(runtime, found)
    except OperationalError as error:  # a writer holds the database: another request moves it
        logger.warning("session.not_moved error=%s", error)
    return _of_session(runtime, found)


def _of_session(runtime: Runtime, found: WebSession) -> Visitor | None:
    if found.account is not None:
        return _of_account(found.account, signed_in=True)
    if found.link is not None:
        shown = found.link.project_id
        return Visitor(
            name=f"share link {found.link.id}",
            role=Role.VIEWER,
            projects=None if shown is None else frozenset({shown}),
            by_link=True,
            signed_in=True,
        )
    credentials = runtime.settings.credentials
    return None if credentials is None else _settings_user(credentials, signed_in=True)


def _on_this_machine(runtime: Runtime) -> Visitor | None:
    """Whoever is on this machine may do all, as long as there is no account.

    Without credentials the server listens on loopback alone.
    """
    if runtime.settings.credentials is not None:
        return None
    with runtime.reads() as session:
        if any_account(session):
            return None
    return Visitor(name="this machine", role=Role.ADMIN)


def _settings_user(credentials: tuple[str, str], *, signed_in: bool = False) -> Visitor:
    return Visitor(name=credentials[0], role=Role.ADMIN, signed_in=signed_in)


def _of_account(account: Account, *, signed_in: bool = False) -> Visitor:
    return Visitor(
        name=account.name,
        role=Role.ADMIN if account.role == ADMIN else Role.VIEWER,
        account=account.id,
        signed_in=signed_in,
    )
