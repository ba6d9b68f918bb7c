"""Links that show one project, or all, to whoever has them, until they expire."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.page_tables import ShareLinkRow
from backend.store.tokens import new_token, token_hash

PREFIX = "lgs_"
OPEN, EXPIRED, REVOKED = "open", "expired", "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLink:
    """A link without its token; ``project_id`` None: all projects."""

    id: int
    project_id: int | None
    note: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """``open``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return REVOKED
        return OPEN if now < self.expires_at else EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """What whoever makes a link says of it."""

    project_id: int | None
    note: str
    made_by: str
    expires_at: datetime


def make_share_link(session: Session, link: NewLink, now: datetime) -> tuple[ShareLink, str]:
    """A new link and its token, which is nowhere else."""
    token = new_token(PREFIX)
    row = ShareLinkRow(
        sha256=token_hash(token),
        project_id=link.project_id,
        note=link.note,
        made_by=link.made_by,
        created_at=now,
        expires_at=link.expires_at,
        revoked_at=None,
    )
    session.add(row)
    session.flush()
    return share_link_of(row), token


def link_of_token(session: Session, token: str) -> ShareLink | None:
    """The link of a token, whether it is over or not; None where there is none."""
    given = token_hash(token)
    row = session.scalar(select(ShareLinkRow).where(ShareLinkRow.sha256 == given))
    if row is None or not hmac.compare_digest(row.sha256, given):
        return None
    return share_link_of(row)


def share_links(session: Session, limit: int | None = None) -> list[ShareLink]:
    """The newest first, over or not."""
    rows = session.scalars(select(ShareLinkRow).order_by(ShareLinkRow.id.desc()).limit(limit))
    return [share_link_of(row) for row in rows]


def revoke_share_link(session: Session, link_id: int, now: datetime) -> ShareLink | None:
    """Take it back; None where there is no such link. The first time counts."""
    row = session.get(ShareLinkRow, link_id)
    if row is None:
        return None
    if row.revoked_at is None:
        row.revoked_at = now
    return share_link_of(row)


def share_link_of(row: ShareLinkRow) -> ShareLink:
    """A row as its link; for queries of this package that join links."""
    return ShareLink(
        id=row.id,
        project_id=row.project_id,
        note=row.note,
        made_by=row.made_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
