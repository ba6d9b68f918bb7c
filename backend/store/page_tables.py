"""The tables of the pages: who may look, what admins did there, and sums that pages show.

As in ``backend.store.tables``: rows never leave ``backend.store``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText
from backend.store.tables import ProjectRow


class AccountRow(Base):
    """Somebody who may look at the pages; ``password`` is a salted hash, null where there is none.

    ``disabled_at`` ends every session and token of the account.
    """

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class AccountTokenRow(Base):
    """A token of an account: its SHA-256, never the token."""

    __tablename__ = "account_tokens"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(AccountRow.id))
    sha256: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class WebSessionRow(Base):
    """A browser that has signed in: the SHA-256 of its cookie, and until when it holds.

    ``account_id`` is null for the user that the settings name, ``share_id`` that of the link by
    which somebody came without an account. ``csrf`` stands in every form of the session.
    """

    __tablename__ = "web_sessions"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey(AccountRow.id))
    share_id: Mapped[int | None] = mapped_column(BigId)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "expires_at"),)


class ShareLinkRow(Base):
    """A link that shows one project, or all, to whoever has it, until it expires; its SHA-256."""

    __tablename__ = "share_links"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey(ProjectRow.id))
    note: Mapped[str]
    made_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ActRow(Base):
    """What somebody did on the pages or to accounts; append-only.

    ``what`` is a dotted word such as ``model.rolled_back``.
    """

    __tablename__ = "acts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int | None]
    who: Mapped[str]
    what: Mapped[str]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "at"),)


class RollupRow(Base):
    """Sums over a project's large tables as a job last made them, so that no page makes them."""

    __tablename__ = "rollups"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class JobRequestRow(Base):
    """A job that somebody asked for on the pages; the scheduler takes it up.

    ``run_id`` is the run that carried it out, null until then.
    """

    __tablename__ = "job_requests"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job: Mapped[str]
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    asked_by: Mapped[str]
    why: Mapped[str] = mapped_column(LongText)
    asked_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    run_id: Mapped[int | None] = mapped_column(BigId)
    __table_args__ = (Index(None, "taken_at"), Index(None, "run_id"))
