"""Browsers that have signed in. Only the hash of a cookie is kept: the row lets nobody in."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from backend.store.accounts import Account, account_of
from backend.store.page_tables import AccountRow, ShareLinkRow, WebSessionRow
from backend.store.share_links import ShareLink, share_link_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSession:
    """An open session: of an account, of a share link, or, with neither, of the settings' user.

    ``csrf`` stands in every form of the session; ``key`` is the hash of its cookie.
    """

    key: str
    account: Account | None
    link: ShareLink | None
    csrf: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What a session begins with; see ``WebSession``."""

    key: str
    account_id: int | None = None
    share_id: int | None = None
    expires_at: datetime


def open_session(session: Session, new: NewSession, now: datetime) -> None:
    """Begin it, with a new secret for its forms."""
    session.add(
        WebSessionRow(
            sha256=new.key,
            account_id=new.account_id,
            share_id=new.share_id,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=new.expires_at,
            ended_at=None,
        )
    )


def web_session_of(session: Session, keys: Collection[str], now: datetime) -> WebSession | None:
    """The session whose key is among these; None where it has ended, or its account is disabled.

    A session whose share link is over is given all the same: whoever came by it is told so.
    """
    found = session.execute(
        select(WebSessionRow, AccountRow, ShareLinkRow)
        .outerjoin(AccountRow, AccountRow.id == WebSessionRow.account_id)
        .outerjoin(ShareLinkRow, ShareLinkRow.id == WebSessionRow.share_id)
        .where(WebSessionRow.sha256.in_(keys), *_open(now))
    ).first()
    if found is None:
        return None
    row, account, link = found
    if account is not None and account.disabled_at is not None:
        return None
    if (row.share_id is None) is not (link is None):
        return None  # its link is no longer known: it is nobody's, and not the settings' user's
    return _session(row, account, link)


def sessions_of_account(
    session: Session, account_id: int | None, now: datetime
) -> list[WebSession]:
    """The open sessions of an account, or, with None, of the settings' user; newest first."""
    rows = session.scalars(
        select(WebSessionRow)
        .where(*_of(account_id), *_open(now))
        .order_by(WebSessionRow.created_at.desc())
    )
    return [_session(row, None, None) for row in rows]


def move_expiry(session: Session, key: str, expires_at: datetime) -> None:
    """It was used: it holds until then."""
    session.execute(
        update(WebSessionRow).where(WebSessionRow.sha256 == key).values(expires_at=expires_at)
    )


def end_session(session: Session, key: str, now: datetime) -> None:
    """Its cookie opens nothing any more."""
    session.execute(
        update(WebSessionRow)
        .where(WebSessionRow.sha256 == key, WebSessionRow.ended_at.is_(None))
        .values(ended_at=now)
    )


def end_sessions_of(session: Session, account_id: int | None, now: datetime) -> int:
    """End all sessions of an account, or, with None, of the settings' user; how many were open."""
    keys = [each.key for each in sessions_of_account(session, account_id, now)]
    session.execute(
        update(WebSessionRow)
        .where(*_of(account_id), WebSessionRow.ended_at.is_(None))
        .values(ended_at=now)
    )
    return len(keys)


def forget_sessions(session: Session, before: datetime) -> None:
    """Delete those that expired or were ended before then."""
    session.execute(
        delete(WebSessionRow).where(
            or_(WebSessionRow.expires_at < before, WebSessionRow.ended_at < before)
        )
    )


def _open(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return WebSessionRow.ended_at.is_(None), WebSessionRow.expires_at > now


def _of(account_id: int | None) -> tuple[ColumnElement[bool], ...]:
    if account_id is None:
        return WebSessionRow.account_id.is_(None), WebSessionRow.share_id.is_(None)
    return (WebSessionRow.account_id == account_id,)


def _session(
    row: WebSessionRow, account: AccountRow | None, link: ShareLinkRow | None
) -> WebSession:
    return WebSession(
        key=row.sha256,
        account=None if account is None else account_of(account),
        link=None if link is None else share_link_of(link),
        csrf=row.csrf,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
