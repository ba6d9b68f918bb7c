"""Signing in: whose a password or a token is, and the session that a browser then holds.

A session ends after ``IDLE`` without a request, after ``LONGEST`` in any case, with its account,
and where it came by a share link, with that link.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend import passwords
from backend.comparison import same
from backend.runtime import Runtime
from backend.settings import Settings
from backend.store.account_tokens import account_of_token
from backend.store.accounts import Account, account_named
from backend.store.share_links import ShareLink
from backend.store.tokens import token_hash
from backend.store.web_sessions import (
    NewSession,
    WebSession,
    end_session,
    move_expiry,
    open_session,
    web_session_of,
)

IDLE = timedelta(hours=12)  # a working day: nobody has to sign in again after lunch
LONGEST = timedelta(days=7)
_STEP = timedelta(minutes=10)  # an expiry moves no more often: a page need not write


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Who proved to be somebody; without an account it is the user that the settings name."""

    account: Account | None


def by_password(runtime: Runtime, name: str, password: str) -> Proved | None:
    """Whose name and password these are; None where they are nobody's.

    One key is derived and both are compared whoever it is, so that the time taken says neither
    whether the name exists nor which of the two was wrong.
    """
    with runtime.reads() as session:
        account = account_named(session, name)
    known = account if account is not None and account.disabled_at is None else None
    right = passwords.is_right(known.password if known is not None else None, password)
    of_settings = _are_of_settings(runtime.settings, name, password)
    if of_settings:
        return Proved(account=None)
    return Proved(account=known) if right and known is not None else None


def by_token(runtime: Runtime, token: str) -> Proved | None:
    """Whose account's token it is; None where it is nobody's."""
    with runtime.reads() as session:
        account = account_of_token(session, token)
    return None if account is None else Proved(account=account)


def begin_session(runtime: Runtime, proved: Proved, former: WebSession | None) -> str | None:
    """A new session's cookie; the browser's former session ends.

    None where the account was disabled, or got another password, since it was proved.
    """
    now = runtime.now()
    cookie = _new_cookie()
    with runtime.sessions.begin() as session:
        if former is not None:
            end_session(session, former.key, now)
        account = proved.account
        if account is not None and account_named(session, account.name) != account:
            return None
        new = NewSession(
            key=_key(cookie) if account is not None else _settings_key(runtime.settings, cookie),
            account_id=None if account is None else account.id,
            expires_at=now + IDLE,
        )
        open_session(session, new, now)
    return cookie


def begin_visit(runtime: Runtime, link: ShareLink, former: WebSession | None) -> str:
    """The cookie of a session that sees what the link shows, as long as the link holds."""
    now = runtime.now()
    cookie = _new_cookie()
    with runtime.sessions.begin() as session:
        if former is not None:
            end_session(session, former.key, now)
        # Not the link's own end: whoever comes by it later is told that it is over.
        new = NewSession(key=_key(cookie), share_id=link.id, expires_at=now + IDLE)
        open_session(session, new, now)
    return cookie


def session_of(runtime: Runtime, cookie: str) -> WebSession | None:
    """The session that a cookie stands for; None where it has ended or never was."""
    keys = [_key(cookie)]
    if runtime.settings.credentials is not None:
        keys.append(_settings_key(runtime.settings, cookie))
    with runtime.reads() as session:
        return web_session_of(session, keys, runtime.now())


def keep_open(runtime: Runtime, used: WebSession) -> None:
    """Move the expiry of a session that is used, where it moves far enough to be worth a write."""
    until = min(runtime.now() + IDLE, used.created_at + LONGEST)
    if until - used.expires_at >= _STEP:
        with runtime.sessions.begin() as session:
            move_expiry(session, used.key, until)


def forgotten_before(now: datetime) -> datetime:
    """Sessions that were over by then need not be kept: nobody asks what became of them."""
    return now - LONGEST


def _new_cookie() -> str:
    return secrets.token_urlsafe(32)


def _key(cookie: str) -> str:
    return token_hash(cookie)


def _settings_key(settings: Settings, cookie: str) -> str:
    """The key of the settings' user: with another password, sessions of the old one are over."""
    return token_hash("\n".join((cookie, *(settings.credentials or ()))))


def _are_of_settings(settings: Settings, name: str, password: str) -> bool:
    if settings.credentials is None:
        return False
    right = [same(name, settings.credentials[0]), same(password, settings.credentials[1])]
    return all(right)
