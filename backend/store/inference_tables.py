"""The tables of what deployed models answered, and of who may hand it in.

As in ``backend.store.tables``: rows never leave ``backend.store``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText
from backend.store.tables import ProjectRow


class InferenceTokenRow(Base):
    """Who may hand in what a deployed model answered: the SHA-256 of a token, never the token."""

    __tablename__ = "inference_tokens"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class InferenceBatchRow(Base):
    """A batch that was handed in under a key: handed in again it gets the same answer."""

    __tablename__ = "inference_batches"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    answer: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    __table_args__ = (Index(None, "received_at"),)


class InferenceRow(Base):
    """What a deployed model answered in production; ``id`` is the order in which it came.

    ``inference_id`` is the sender's own. ``data`` is null where only ids are kept, and masked where
    the policy says so; ``data_sha256`` is of what was sent, or of what is kept where some of it is
    masked. ``slices`` are the values of the policy's slice fields. ``share`` and ``draw`` are null
    until a job has looked at it; it is drawn where the draw is under the share, which is its chance
    of being drawn. ``state`` is waiting (nobody looked yet), passed (not drawn), drawn (wanted as a
    task), placed (it is the task ``task_id``) or lost (its data cannot be had). ``why`` says why
    its share is what it is where it was drawn, and of a lost one why it is lost.
    """

    __tablename__ = "inferences"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    inference_id: Mapped[str]
    model_version: Mapped[str]
    predicted: Mapped[str] = mapped_column(LongText)
    score: Mapped[float | None]
    data: Mapped[dict[str, Any] | None]
    data_sha256: Mapped[str | None]
    slices: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]
    received_at: Mapped[datetime]
    state: Mapped[str]
    share: Mapped[float | None]
    draw: Mapped[float | None]
    why: Mapped[str | None] = mapped_column(LongText)
    task_id: Mapped[int | None] = mapped_column(BigId)
    __table_args__ = (
        UniqueConstraint("project_id", "inference_id"),
        Index(None, "project_id", "state", "id"),
        Index(None, "project_id", "task_id"),
        Index(None, "project_id", "at"),
    )


class InferenceDayRow(Base):
    """How many answers of a kind a deployed model gave in a day; counted as they are looked at.

    ``predicted`` is "" where answers are not labels of a list, ``slice`` the values of the policy's
    slice fields as JSON, "" without any. What was counted stays when the answers are deleted.
    """

    __tablename__ = "inference_days"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    predicted: Mapped[str] = mapped_column(primary_key=True)
    slice: Mapped[str] = mapped_column(primary_key=True)
    answers: Mapped[int] = mapped_column(BigInteger)
