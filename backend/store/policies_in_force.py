"""Which policy was in force for a project since when. Append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.store.columns import Base, BigId
from backend.store.tables import PolicyRow, ProjectRow


class PolicyInForceRow(Base):
    """A policy that came into force; the next one of the project ends it."""

    __tablename__ = "policies_in_force"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    policy_hash: Mapped[str] = mapped_column(ForeignKey(PolicyRow.hash))
    since: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "since"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce:
    """A policy's hash and text, and since when it was in force; the same one may come back."""

    policy_hash: str
    text: str
    since: datetime


def note_policy_in_force(
    session: Session, project_id: int, policy_hash: str, now: datetime
) -> None:
    """Write down that this policy came into force."""
    session.add(PolicyInForceRow(project_id=project_id, policy_hash=policy_hash, since=now))


def policies_in_force(session: Session, project_id: int, limit: int) -> list[PolicyInForce]:
    """The policies that a project was under, the newest first: the first is the one in force."""
    rows = session.execute(
        select(PolicyInForceRow.policy_hash, PolicyRow.text, PolicyInForceRow.since)
        .join(PolicyRow, PolicyRow.hash == PolicyInForceRow.policy_hash)
        .where(PolicyInForceRow.project_id == project_id)
        .order_by(PolicyInForceRow.id.desc())
        .limit(limit)
    )
    return [
        PolicyInForce(policy_hash=digest, text=text, since=since) for digest, text, since in rows
    ]


def earlier_policy(session: Session, project_id: int, policy_hash: str) -> PolicyInForce | None:
    """The newest time that the project was under this policy; None where it never was."""
    row = session.execute(
        select(PolicyInForceRow.policy_hash, PolicyRow.text, PolicyInForceRow.since)
        .join(PolicyRow, PolicyRow.hash == PolicyInForceRow.policy_hash)
        .where(
            PolicyInForceRow.project_id == project_id, PolicyInForceRow.policy_hash == policy_hash
        )
        .order_by(PolicyInForceRow.id.desc())
        .limit(1)
    ).first()
    return None if row is None else PolicyInForce(policy_hash=row[0], text=row[1], since=row[2])
