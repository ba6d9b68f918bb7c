"""The tables of projects, tasks, answers, the ledger, deliveries, alerts and reports.

Those of models, promises, jobs, pages and inferences stand in modules beside it. Rows never leave
``backend.store``; the rest of the system sees domain types.

History is append-only: decisions, certificates, reports and job runs are never changed once written
(a certificate is voided by a date, a run is closed once).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId, LongText

# An index over labels holds those of lists; answers with parts are texts of any length, which
# PostgreSQL refuses to index and nobody types into a search.
SHORT_LABEL = "length(label) <= 64"


def _short_labels(name: str, *columns: str) -> Index:
    where = text(SHORT_LABEL)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class ProjectRow(Base):
    """A connected project; its id is Label Studio's own."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    label_config: Mapped[str] = mapped_column(LongText)
    policy_hash: Mapped[str] = mapped_column(ForeignKey("policies.hash"))
    robot_id: Mapped[int]
    ml_backend_id: Mapped[int | None]
    webhook_id: Mapped[int | None]
    views: Mapped[dict[str, Any]]
    connected_at: Mapped[datetime]
    disconnected_at: Mapped[datetime | None]
    last_task_id: Mapped[int] = mapped_column(default=0)
    synced_until: Mapped[datetime | None]
    placed_for: Mapped[str | None]
    config_seq: Mapped[int] = mapped_column(BigId, default=0)
    config_problem: Mapped[str | None] = mapped_column(LongText)
    all_controls: Mapped[bool] = mapped_column(default=True)


class PolicyRow(Base):
    """Every policy text that was ever in force, by the hash that decisions name."""

    __tablename__ = "policies"

    hash: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime]


class TaskRow(Base):
    """A task of Label Studio, with its data, so that all can be predicted again in bulk.

    ``escalated_to`` is the tier whose answer a contested task waits for; null once it came.
    ``settled_label`` is what people's answers came to where they had to be weighed.
    ``wants_reader`` says that they leave doubt, and that one more person of the tier is asked.
    ``freeze_id`` is the freeze that made its accept final: it is never decided again, so
    ``decision_seq`` stays the decision that was frozen; null makes it provisional once more.
    ``first_freeze`` is the number of the first freeze that it was before, taken along or not.
    ``mirror_task_id`` is its copy in the mirror project, where it is audited in secrecy.
    ``prelabelled`` says that it shows the model's answer whether or not somebody is to look at it
    today. ``erased_at`` is when its data, and what was said of it, was erased.
    """

    __tablename__ = "tasks"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    human_labels: Mapped[int] = mapped_column(default=0)
    decision_seq: Mapped[int | None] = mapped_column(BigId)
    escalated_to: Mapped[str | None]
    settled_label: Mapped[str | None]
    wants_reader: Mapped[bool] = mapped_column(default=False)
    freeze_id: Mapped[int | None] = mapped_column(BigId)
    first_freeze: Mapped[int | None]
    mirror_task_id: Mapped[int | None] = mapped_column(BigId)
    prelabelled: Mapped[bool] = mapped_column(default=False)
    erased_at: Mapped[datetime | None]
    __table_args__ = (
        Index(None, "project_id", "human_labels"),
        Index(None, "project_id", "decision_seq"),
    )


class AnnotationRow(Base):
    """Who said what, when: an answer as it was last read; ``deleted_at`` once it is gone.

    ``mirrored`` says that it was given to the task's copy in the mirror project.
    """

    __tablename__ = "annotations"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(BigId)
    user_id: Mapped[int]
    by_robot: Mapped[bool]
    label: Mapped[str | None]
    result: Mapped[list[Any]]
    was_cancelled: Mapped[bool]
    ground_truth: Mapped[bool]
    lead_time_s: Mapped[float | None]
    parent_prediction_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    first_seen_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    mirrored: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (
        Index(None, "project_id", "task_id"),
        _short_labels("ix_annotations_short_label", "project_id", "by_robot", "label", "task_id"),
    )


class GoldRow(Base):
    """A task whose truth is known; ``authors`` are those whose answers it is.

    ``since`` is when it became known to be: what is answered later is asked to measure people.
    """

    __tablename__ = "gold"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    label: Mapped[str]
    authors: Mapped[list[Any]]
    since: Mapped[datetime]


class StoppedRow(Base):
    """Somebody whose answers have stopped counting, since when and why; gone once they count."""

    __tablename__ = "stopped_annotators"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[datetime]
    why: Mapped[str] = mapped_column(LongText)


class ConsensusRow(Base):
    """The most probable label of a task and its probability, of how many people's answers.

    ``fingerprint`` tells whether the answers are still the same ones.
    """

    __tablename__ = "consensus"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    label: Mapped[str]
    confidence: Mapped[float]
    answers: Mapped[int]
    fingerprint: Mapped[str]


class DecisionRow(Base):
    """The ledger: one chain a project; ``hash`` covers the row and the hash before it.

    ``erasure_hash`` seals what is left of an entry whose answer was erased; null otherwise.
    """

    __tablename__ = "decisions"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(BigId)
    outcome: Mapped[str]
    purpose: Mapped[str]
    tier: Mapped[str | None]
    rule: Mapped[str]
    reason: Mapped[str] = mapped_column(LongText)
    label: Mapped[str | None]
    score: Mapped[float | None]
    threshold: Mapped[float | None]
    draw: Mapped[float]
    inclusion_probability: Mapped[float]
    predictor: Mapped[str | None]
    signals: Mapped[dict[str, Any] | None]
    part_scores: Mapped[list[Any] | None]
    model_version: Mapped[str | None]
    policy_hash: Mapped[str]
    certificate_id: Mapped[int | None]
    decided_at: Mapped[datetime]
    hash: Mapped[str]
    erasure_hash: Mapped[str | None]
    __table_args__ = (
        Index(None, "project_id", "task_id"),
        Index(None, "project_id", "model_version"),
        # What decisions are searched by, but task and label, which have indexes of their own: a
        # search reads nothing else.
        Index(
            "ix_decisions_search",
            "project_id",
            "seq",
            "outcome",
            "purpose",
            "tier",
            "rule",
            "score",
            "model_version",
            "policy_hash",
        ),
        _short_labels("ix_decisions_short_label", "project_id", "label", "seq"),
    )


class DeliveryRow(Base):
    """What a task should look like in Label Studio, and whether it does; one row a task.

    ``revision`` rises whenever the wish changes, so that a delivery that was under way for an
    older wish cannot mark the newer one as done.
    """

    __tablename__ = "deliveries"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    decision_seq: Mapped[int] = mapped_column(BigId)
    revision: Mapped[int] = mapped_column(default=1)
    marker: Mapped[str | None]
    label: Mapped[str | None]
    score: Mapped[float | None]
    part_scores: Mapped[list[Any] | None]
    model_version: Mapped[str | None]
    accepts: Mapped[bool]
    overlap: Mapped[int] = mapped_column(default=1)
    strategy: Mapped[str | None]
    rank: Mapped[int | None]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    error: Mapped[str | None] = mapped_column(LongText)
    delivered_at: Mapped[datetime | None]
    delivered: Mapped[dict[str, Any] | None]
    __table_args__ = (Index(None, "project_id", "state", "next_attempt_at"),)


class AlertMessageRow(Base):
    """An alert on its way to one channel; sent once, tried again until then.

    ``alert_id`` is the report that holds the alert; ``state`` is pending, sent, given up, merged
    (another message tells of it) or left out (nobody is told).
    """

    __tablename__ = "alert_messages"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    alert_id: Mapped[int] = mapped_column(ForeignKey("reports.id"))
    channel: Mapped[str]
    state: Mapped[str]
    body: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("alert_id", "channel"),
        Index(None, "state", "next_attempt_at"),
    )


class ReportRow(Base):
    """What a job measured: agreement, audit pass rate, a cycle."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str]
    model_version: Mapped[str | None]
    made_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "project_id", "kind", "made_at"),)
