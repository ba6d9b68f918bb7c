"""The name of an installation, drawn once for a database and kept in it."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.job_tables import InstallationRow
from backend.store.upsert import upsert


def known_installation(session: Session) -> str | None:
    """The name; None where nobody has asked for one yet."""
    return session.scalar(select(InstallationRow.name))


def installation_name(session: Session) -> str:
    """The name; made on first use, the same for all who ask at once."""
    name = known_installation(session)
    if name is not None:
        return name
    row = {"id": 1, "name": secrets.token_hex(4)}
    upsert(session, InstallationRow, [row], keep=("name",))
    return session.scalars(select(InstallationRow.name)).one()
