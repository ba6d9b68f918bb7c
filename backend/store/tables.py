"""The tables. Rows never leave ``backend.store``; the rest of the system sees domain types.

History is append-only: decisions, certificates, reports and job runs are never changed once written
(a certificate is voided by a date, a run is closed once).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.store.columns import Base, BigId

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
    label_config: Mapped[str] = mapped_column(Text)
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
    config_problem: Mapped[str | None] = mapped_column(Text)
    all_controls: Mapped[bool] = mapped_column(default=True)


class PolicyRow(Base):
    """Every policy text that was ever in force, by the hash that decisions name."""

    __tablename__ = "policies"

    hash: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
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
    today.
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
    why: Mapped[str] = mapped_column(Text)


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
    """The ledger: one chain a project; ``hash`` covers the row and the hash before it."""

    __tablename__ = "decisions"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(BigId)
    outcome: Mapped[str]
    purpose: Mapped[str]
    tier: Mapped[str | None]
    rule: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
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
    error: Mapped[str | None] = mapped_column(Text)
    delivered_at: Mapped[datetime | None]
    delivered: Mapped[dict[str, Any] | None]
    __table_args__ = (Index(None, "project_id", "state", "next_attempt_at"),)


class EventRow(Base):
    """A webhook that came in: a hint, written before it is answered, handled by a job."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int | None]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "handled_at", "project_id"),)


class ModelRow(Base):
    """A model version: where it comes from, how good it is, whether it serves."""

    __tablename__ = "models"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
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
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
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
    outcome: Mapped[str | None] = mapped_column(Text)
    model_version: Mapped[str | None]
    # 1 while queued or running, null once ended: databases let null repeat, so the constraint
    # says "one open request of a state a project" without a partial index.
    open: Mapped[int | None]
    __table_args__ = (
        UniqueConstraint("project_id", "state", "open"),
        Index(None, "project_id", "state"),
    )


class CertificateRow(Base):
    """The evidence behind a version's thresholds, one entry a group; void from ``voided_at`` on.

    ``withdrawn`` says that it was not replaced by a newer one but taken back: the control answers
    it rests on prove nothing of this version any more.
    """

    __tablename__ = "certificates"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    model_version: Mapped[str]
    policy_hash: Mapped[str]
    evidence: Mapped[list[Any]]
    certified_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(Text)
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
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
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

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    mirror_id: Mapped[int]
    synced_until: Mapped[datetime | None]


class SuspensionRow(Base):
    """A breaker that tripped: whose answers are not accepted, why, and how it ended.

    ``predictor`` and ``label`` name the group of answers as a certificate does. Rows are closed
    once (``rearmed_at``), and never deleted; a look that proves nothing takes ``reset_at`` back.
    """

    __tablename__ = "suspensions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    model_version: Mapped[str]
    predictor: Mapped[str]
    label: Mapped[str | None]
    since: Mapped[datetime]
    statistic: Mapped[float]
    audits: Mapped[int]
    errors: Mapped[int]
    good_until: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(Text)
    reset_at: Mapped[datetime | None]
    reset_why: Mapped[str | None] = mapped_column(Text)
    rearmed_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "project_id", "model_version"),)


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
    error: Mapped[str | None] = mapped_column(Text)
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


class LeaseRow(Base):
    """Who may do a piece of work now: one holder a name, until a time that the holder renews."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class JobRunRow(Base):
    """One run of one job: when, how it ended, what it said.

    ``stage`` and ``progress`` (0 to 1) are how far it is, ``log`` its last lines.
    """

    __tablename__ = "job_runs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job: Mapped[str]
    project_id: Mapped[int | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    report: Mapped[dict[str, Any] | None]
    error: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str | None]
    progress: Mapped[float | None]
    log: Mapped[str | None] = mapped_column(Text)
    # Pages ask for the newest by any of these; the newest run is that of the highest id.
    __table_args__ = (
        Index(None, "job", "id"),
        Index(None, "project_id", "id"),
        Index(None, "project_id", "job", "id"),
        Index(None, "outcome", "id"),
    )


class LineageRow(Base):
    """What a model version was made of: all that it takes to make it again.

    ``examples`` is compressed JSON (see ``backend.store.lineages``) with the hash of what it says;
    ``holdout`` is which holdout answers the version got right when it was measured.
    """

    __tablename__ = "lineages"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    policy_hash: Mapped[str]
    label_config: Mapped[str] = mapped_column(Text)
    examples: Mapped[bytes]
    examples_sha256: Mapped[str]
    holdout: Mapped[bytes]


class PromotionRow(Base):
    """A version that began to serve: instead of which one, why, and on whose word; append-only."""

    __tablename__ = "promotions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    version: Mapped[str]
    replaced: Mapped[str | None]
    kind: Mapped[str]
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "at"),)


class ShadowRow(Base):
    """A version that answers the incoming tasks unseen; ``ended_at`` is null while it does.

    ``promotes`` says that it serves afterwards where it did no worse.
    """

    __tablename__ = "shadows"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    version: Mapped[str]
    tasks: Mapped[int]
    days: Mapped[int | None]
    promotes: Mapped[bool]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)
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

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    questions: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[float]


class ModelAnswerRow(Base):
    """What a model that is paid for each question answered to a task, so that it is asked once."""

    __tablename__ = "model_answers"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    shown: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
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
