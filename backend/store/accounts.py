"""Accounts: who may look at the pages, in which role, and the hash of whose password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.store.page_tables import AccountRow

VIEWER, ADMIN = "viewer", "admin"
ROLES = (VIEWER, ADMIN)


class AccountTakenError(Exception):
    """An account of this name is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may look; ``password`` is what ``backend.passwords`` keeps, None without one."""

    id: int
    name: str
    role: str
    password: str | None
    created_at: datetime
    disabled_at: datetime | None


def add_account(
    session: Session, name: str, role: str, password: str | None, now: datetime
) -> Account:
    """A new one. Raises ``AccountTakenError``, of two at once for the later one."""
    row = AccountRow(name=name, role=role, password=password, created_at=now, disabled_at=None)
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise AccountTakenError(name) from error
    return account_of(row)


def account_named(session: Session, name: str) -> Account | None:
    """The account of just this name, disabled or not."""
    row = session.scalar(select(AccountRow).where(AccountRow.name == name))
    return None if row is None else account_of(row)


def all_accounts(session: Session) -> list[Account]:
    """All, disabled ones too, by name."""
    rows = session.scalars(select(AccountRow).order_by(AccountRow.name))
    return [account_of(row) for row in rows]


def any_account(session: Session) -> bool:
    """Whether there is one, even a disabled one: then the pages are for accounts alone."""
    return session.scalar(select(AccountRow.id).limit(1)) is not None


def admins_left(session: Session) -> int:
    """How many admins could sign in now."""
    asked = select(AccountRow.id).where(
        AccountRow.role == ADMIN, AccountRow.disabled_at.is_(None), AccountRow.password.is_not(None)
    )
    return len(session.scalars(asked).all())


def set_password(session: Session, account_id: int, password: str) -> None:
    """Another one from now on; sessions are the caller's to end."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(password=password))


def set_role(session: Session, account_id: int, role: str) -> None:
    """Another role, from the next request on."""
    session.execute(update(AccountRow).where(AccountRow.id == account_id).values(role=role))


def set_disabled(session: Session, account_id: int, disabled_at: datetime | None) -> None:
    """Disabled since then, or, with None, enabled again."""
    session.execute(
        update(AccountRow).where(AccountRow.id == account_id).values(disabled_at=disabled_at)
    )


def account_of(row: AccountRow) -> Account:
    """A row as its account; for queries of this package that join accounts."""
    return Account(
        id=row.id,
        name=row.name,
        role=row.role,
        password=row.password,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
