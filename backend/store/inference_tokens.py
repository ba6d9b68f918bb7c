"""Who may hand in what a deployed model answered: tokens, of which only hashes are kept."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.inference_tables import InferenceTokenRow
from backend.store.tokens import new_token, token_hash

_PREFIX = "lgi_"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOwner:
    """The project that a token was made for, and whether it was taken back since."""

    project_id: int
    revoked: bool


def make_token(session: Session, project_id: int, now: datetime) -> str:
    """A new token of 256 random bits; the others of the project stay valid."""
    token = new_token(_PREFIX)
    session.add(InferenceTokenRow(project_id=project_id, sha256=token_hash(token), created_at=now))
    return token


def revoke_tokens(session: Session, project_id: int, now: datetime) -> int:
    """Take back every token of the project; how many were valid until now."""
    valid = (InferenceTokenRow.project_id == project_id, InferenceTokenRow.revoked_at.is_(None))
    ids = list(session.scalars(select(InferenceTokenRow.id).where(*valid)))
    session.execute(update(InferenceTokenRow).where(*valid).values(revoked_at=now))
    return len(ids)


def token_owner(session: Session, token: str) -> TokenOwner | None:
    """Whom a token belongs to; None where it is nobody's.

    The last comparison takes the same time wherever they differ.
    """
    given = token_hash(token)
    row = session.scalar(select(InferenceTokenRow).where(InferenceTokenRow.sha256 == given))
    if row is None or not hmac.compare_digest(row.sha256, given):
        return None
    return TokenOwner(project_id=row.project_id, revoked=row.revoked_at is not None)
