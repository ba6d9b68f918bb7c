"""Tokens of accounts, with which programs read pages and JSON; only hashes are kept."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.accounts import Account, account_of
from backend.store.page_tables import AccountRow, AccountTokenRow
from backend.store.tokens import new_token, token_hash

PREFIX = "lga_"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountToken:
    """What is known of a token: all but the token."""

    id: int
    account_id: int
    note: str
    created_at: datetime
    revoked_at: datetime | None


def make_account_token(session: Session, account_id: int, note: str, now: datetime) -> str:
    """A new token; the others of the account stay valid."""
    token = new_token(PREFIX)
    session.add(
        AccountTokenRow(
            account_id=account_id,
            sha256=token_hash(token),
            note=note,
            created_at=now,
            revoked_at=None,
        )
    )
    return token


def valid_tokens(session: Session) -> list[AccountToken]:
    """Those of all accounts that were not taken back, the oldest first."""
    rows = session.scalars(
        select(AccountTokenRow)
        .where(AccountTokenRow.revoked_at.is_(None))
        .order_by(AccountTokenRow.id)
    )
    return [
        AccountToken(
            id=row.id,
            account_id=row.account_id,
            note=row.note,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


def revoke_account_tokens(
    session: Session, account_id: int, now: datetime, token_id: int | None = None
) -> int:
    """Take back one token of the account, or, without a number, all; how many were valid."""
    chosen = [AccountTokenRow.account_id == account_id, AccountTokenRow.revoked_at.is_(None)]
    if token_id is not None:
        chosen.append(AccountTokenRow.id == token_id)
    ids = list(session.scalars(select(AccountTokenRow.id).where(*chosen)))
    session.execute(update(AccountTokenRow).where(*chosen).values(revoked_at=now))
    return len(ids)


def account_of_token(session: Session, token: str) -> Account | None:
    """Whose token it is; None where it is nobody's, was taken back, or its account is disabled."""
    given = token_hash(token)
    found = session.execute(
        select(AccountTokenRow, AccountRow)
        .join(AccountRow, AccountRow.id == AccountTokenRow.account_id)
        .where(AccountTokenRow.sha256 == given)
    ).one_or_none()
    if found is None or not hmac.compare_digest(found[0].sha256, given):
        return None
    token_row, account_row = found
    if token_row.revoked_at is not None or account_row.disabled_at is not None:
        return None
    return account_of(account_row)
