"""The tables of what is promised: proofs of thresholds, freezes, audits in secrecy, suspensions.

As in ``backend.store.tables``: rows never leave ``backend.store``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText
from backend.store.tables import ProjectRow


class CertificateRow(Base):
    """The evidence behind a version's thresholds, one entry a group; void from ``voided_at`` on.

    ``withdrawn`` says that it was not replaced by a newer one but taken back: the control answers
    it rests on prove nothing of this version any more.
    """

    __tablename__ = "certificates"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    model_version: Mapped[str]
    policy_hash: Mapped[str]
    evidence: Mapped[list[Any]]
    certified_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(LongText)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (Index(None, "project_id", "model_version"),)


class FreezeRow(Base):
    """A look at what may go out for good; its number is spent even where nothing was frozen.

    ``evidence`` holds the certificates of each lot, ``answers`` how many control answers there
    were, ``left_control`` the control tasks whose like were taken along: they say nothing about
    what is left.
    """

    __tablename__ = "freezes"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    number: Mapped[int]
    model_version: Mapped[str]
    policy_hash: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    answers: Mapped[int]
    left_control: Mapped[list[Any]]
    tasks: Mapped[int]
    why: Mapped[str]
    frozen_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("project_id", "number"),)


class MirrorRow(Base):
    """The project into which audited tasks are copied, and until when its answers are read."""

    __tablename__ = "mirrors"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    mirror_id: Mapped[int]
    synced_until: Mapped[datetime | None]


class SuspensionRow(Base):
    """A breaker that tripped: whose answers are not accepted, why, and how it ended.

    ``predictor`` and ``label`` name the group of answers as a certificate does. Rows are closed
    once (``rearmed_at``), and never deleted; a look that proves nothing takes ``reset_at`` back.
    """

    __tablename__ = "suspensions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    model_version: Mapped[str]
    predictor: Mapped[str]
    label: Mapped[str | None]
    since: Mapped[datetime]
    statistic: Mapped[float]
    audits: Mapped[int]
    errors: Mapped[int]
    good_until: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(LongText)
    reset_at: Mapped[datetime | None]
    reset_why: Mapped[str | None] = mapped_column(LongText)
    rearmed_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "project_id", "model_version"),)
