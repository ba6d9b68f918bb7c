"""The tables of model versions: what they were made of, which serves, what they cost and answered.

As in ``backend.store.tables``: rows never leave ``backend.store``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText
from backend.store.tables import ProjectRow


class ModelRow(Base):
    """A model version: where it comes from, how good it is, whether it serves."""

    __tablename__ = "models"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    path: Mapped[str]
    sha256: Mapped[str]
    labels: Mapped[list[Any]]
    state: Mapped[str]
    verdict: Mapped[dict[str, Any]]
    lineage: Mapped[dict[str, Any]]
    trained_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("project_id", "number"),)


class TrainingRequestRow(Base):
    """A wish to retrain; at most one a project is queued and one running.

    ``reasons`` are all that asked for it, ``due_at`` is when it has settled. ``outcome`` of an open
    one is how its last attempt died.
    """

    __tablename__ = "training_requests"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    reasons: Mapped[list[Any]]
    human_labels: Mapped[int]
    state: Mapped[str]
    requested_at: Mapped[datetime]
    due_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    stage: Mapped[str | None]
    progress: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(LongText)
    model_version: Mapped[str | None]
    # 1 while queued or running, null once ended: databases let null repeat, so the constraint
    # says "one open request of a state a project" without a partial index.
    open: Mapped[int | None]
    __table_args__ = (
        UniqueConstraint("project_id", "state", "open"),
        Index(None, "project_id", "state"),
    )


class LineageRow(Base):
    """What a model version was made of: all that it takes to make it again.

    ``examples`` is compressed JSON (see ``backend.store.lineages``) with the hash of what it says;
    ``holdout`` is which holdout answers the version got right when it was measured.
    """

    __tablename__ = "lineages"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    policy_hash: Mapped[str]
    label_config: Mapped[str] = mapped_column(LongText)
    examples: Mapped[bytes]
    examples_sha256: Mapped[str]
    holdout: Mapped[bytes]


class PromotionRow(Base):
    """A version that began to serve: instead of which one, why, and on whose word; append-only."""

    __tablename__ = "promotions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    version: Mapped[str]
    replaced: Mapped[str | None]
    kind: Mapped[str]
    why: Mapped[str] = mapped_column(LongText)
    at: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "at"),)


class ShadowRow(Base):
    """A version that answers the incoming tasks unseen; ``ended_at`` is null while it does.

    ``promotes`` says that it serves afterwards where it did no worse.
    """

    __tablename__ = "shadows"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id))
    version: Mapped[str]
    tasks: Mapped[int]
    days: Mapped[int | None]
    promotes: Mapped[bool]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(LongText)
    __table_args__ = (Index(None, "project_id", "ended_at"),)


class ShadowAnswerRow(Base):
    """What a version in shadow and the one that served said of a task; nobody was shown it."""

    __tablename__ = "shadow_answers"

    shadow_id: Mapped[int] = mapped_column(BigId, ForeignKey("shadows.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    label: Mapped[str | None]
    score: Mapped[float | None]
    serving_version: Mapped[str]
    serving_label: Mapped[str | None]
    serving_score: Mapped[float | None]
    answered_at: Mapped[datetime]


class ModelUsageRow(Base):
    """What a model that is paid by the token took in a project: sums that only grow."""

    __tablename__ = "model_usage"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    questions: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[float]


class ModelAnswerRow(Base):
    """What a model that is paid for each question answered to a task, so that it is asked once."""

    __tablename__ = "model_answers"

    project_id: Mapped[int] = mapped_column(ForeignKey(ProjectRow.id), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    shown: Mapped[str]
    text: Mapped[str] = mapped_column(LongText)
    score: Mapped[float]


class EmbeddingRow(Base):
    """The vector of one text in the space of one encoder, so that no text is encoded twice.

    ``encoder`` is the model's fingerprint, ``text_hash`` the SHA-256 of the text, ``vector`` its
    32-bit numbers, lowest byte first. Rows that no worker has used for long are deleted.
    """

    __tablename__ = "embeddings"

    encoder: Mapped[str] = mapped_column(primary_key=True)
    text_hash: Mapped[bytes] = mapped_column(primary_key=True)
    vector: Mapped[bytes]
    used_at: Mapped[datetime]
    __table_args__ = (Index(None, "used_at"),)
