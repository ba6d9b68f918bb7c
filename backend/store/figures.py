"""The figures that the page and /metrics show, counted in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from backend.store.alerts import Alert, newest_alerts
from backend.store.annotators import counting_users
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.decisions import is_current
from backend.store.deliveries import count_by_state, same_task
from backend.store.escalations import count_escalated
from backend.store.mirrors import MIRROR, MIRRORED_VIEW
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    CORRECTIONS,
    CYCLE,
    DRIFT,
    FIGURES,
    GOLD,
    MONITORING,
    RECALL,
    THRESHOLD,
    Report,
    newest_report,
    reports,
)
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow, TaskRow
from backend.store.tasks import count_labelled, count_tasks
from backend.store.votes import count_human_labels, standing

_INCIDENTS = 10  # of recalls and of thresholds that moved, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One view: how many tasks it holds unanswered, and how many were answered.

    That of the audits counts those in the mirror project too.

    ``escalated`` is how many contested tasks wait for the tier, in the view or for a place in it.
    """

    name: str
    open: int
    answered: int
    escalated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFigures:
    """A project at a glance. ``decisions`` counts current decisions by "outcome/purpose".

    ``alerts`` holds the newest alert of each event, those that are over too; ``six`` the six
    figures of the loop, ``recalls`` and ``thresholds`` the newest few, oldest first.
    """

    project: ConnectedProject
    tasks: int
    human_labels: int
    labelled_tasks: int
    accepted: int
    waiting: int
    decisions: dict[str, int]
    deliveries: dict[str, int]
    queues: list[Queue]
    champion: ModelVersion | None
    certified: StoredCertification | None
    agreement: Report | None
    alerts: list[Alert]
    audit: Report | None
    gold: Report | None
    corrections: Report | None
    drift: Report | None
    monitoring: Report | None
    six: Report | None
    recalls: list[Report]
    thresholds: list[Report]
    cycles: list[Report]
    read_at: datetime


def project_figures(session: Session, project: ConnectedProject, now: datetime) -> ProjectFigures:
    """Count everything the page shows of one project."""
    serving = champion(session, project.id)
    return ProjectFigures(
        project=project,
        tasks=count_tasks(session, project.id),
        human_labels=count_human_labels(session, project.id),
        labelled_tasks=count_labelled(session, project.id),
        accepted=count_accepted(session, project.id),
        waiting=_count_waiting(session, project.id),
        decisions=count_decisions(session, project.id),
        deliveries=count_by_state(session, project.id),
        queues=_queues(session, project),
        champion=serving,
        certified=(
            valid_certification(session, project.id, serving.version, project.policy_hash)
            if serving
            else None
        ),
        agreement=newest_report(session, project.id, AGREEMENT),
        alerts=list(newest_alerts(session, project.id).values()),
        audit=newest_report(session, project.id, AUDIT),
        gold=newest_report(session, project.id, GOLD),
        corrections=newest_report(session, project.id, CORRECTIONS),
        drift=newest_report(session, project.id, DRIFT),
        monitoring=newest_report(session, project.id, MONITORING),
        six=newest_report(session, project.id, FIGURES),
        recalls=reports(session, project.id, RECALL)[-_INCIDENTS:],
        thresholds=reports(session, project.id, THRESHOLD)[-_INCIDENTS:],
        cycles=reports(session, project.id, CYCLE),
        read_at=now,
    )


def count_decisions(session: Session, project_id: int) -> dict[str, int]:
    """Current decisions of existing tasks, by "outcome/purpose"."""
    rows = session.execute(
        select(DecisionRow.outcome, DecisionRow.purpose, func.count())
        .join(TaskRow, is_current())
        .where(DecisionRow.project_id == project_id, TaskRow.deleted_at.is_(None))
        .group_by(DecisionRow.outcome, DecisionRow.purpose)
    )
    return {f"{outcome}/{purpose}": count for outcome, purpose, count in rows}


def count_accepted(session: Session, project_id: int) -> int:
    """Tasks whose label stands without a human look: accepted, not audited, not labelled since."""
    return (
        session.scalar(
            select(func.count())
            .select_from(DeliveryRow)
            .join(TaskRow, same_task())
            .where(*_accepted(project_id))
        )
        or 0
    )


def accepted_labels(session: Session, project_id: int) -> dict[int, str]:
    """The label of every task that ``count_accepted`` counts."""
    rows = session.execute(
        select(DeliveryRow.task_id, DeliveryRow.label)
        .join(TaskRow, same_task())
        .where(*_accepted(project_id), DeliveryRow.label.is_not(None))
    )
    return {task_id: label for task_id, label in rows if label is not None}


def _accepted(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        DeliveryRow.project_id == project_id,
        DeliveryRow.accepts.is_(True),
        TaskRow.human_labels == 0,
        TaskRow.deleted_at.is_(None),
    )


def _count_waiting(session: Session, project_id: int) -> int:
    """Open tasks that are in no view and not accepted: they wait for capacity or a model."""
    placed = (
        select(DeliveryRow.task_id)
        .where(
            DeliveryRow.project_id == project_id,
            DeliveryRow.accepts.is_(True) | DeliveryRow.marker.is_not(None),
        )
        .scalar_subquery()
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(TaskRow)
            .where(
                TaskRow.project_id == project_id,
                TaskRow.deleted_at.is_(None),
                or_(
                    TaskRow.human_labels == 0,
                    TaskRow.escalated_to.is_not(None),
                    TaskRow.wants_reader.is_(True),
                ),
                TaskRow.task_id.not_in(placed),
            )
        )
        or 0
    )


def _queues(session: Session, project: ConnectedProject) -> list[Queue]:
    # Label Studio counts the answers, too, that do not count here.
    others = (
        select(AnnotationRow.task_id, func.count().label("answers"))
        .where(AnnotationRow.project_id == project.id, *standing(), ~counting_users())
        .group_by(AnnotationRow.task_id)
        .subquery()
    )
    given = TaskRow.human_labels + func.coalesce(others.c.answers, 0)
    rows = session.execute(
        select(
            DeliveryRow.marker,
            func.count().filter(given < DeliveryRow.overlap),
            func.count().filter(given >= DeliveryRow.overlap),
        )
        .join(TaskRow, same_task())
        .outerjoin(others, others.c.task_id == DeliveryRow.task_id)
        .where(
            DeliveryRow.project_id == project.id,
            DeliveryRow.marker.is_not(None),
            TaskRow.deleted_at.is_(None),
        )
        .group_by(DeliveryRow.marker)
    )
    found: dict[str | None, tuple[int, int]] = {}
    for marker, waiting, answered in rows:
        view = MIRRORED_VIEW if marker == MIRROR else marker
        before = found.get(view, (0, 0))
        found[view] = (before[0] + waiting, before[1] + answered)
    escalated = count_escalated(session, project.id)
    return [
        Queue(
            name=name,
            open=found.get(name, (0, 0))[0],
            answered=found.get(name, (0, 0))[1],
            escalated=escalated.get(name, 0),
        )
        for name in project.views
    ]


def count_predictions(session: Session, project_id: int) -> int:
    """Answers that models gave: one for each version and task that the version decided."""
    answers = (
        select(DecisionRow.task_id, DecisionRow.model_version)
        .where(DecisionRow.project_id == project_id, DecisionRow.model_version.is_not(None))
        .distinct()
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(answers)) or 0


def lead_times(session: Session, project_id: int) -> dict[int, tuple[int, float]]:
    """By user: how many human labels have a lead time, and their seconds in all."""
    rows = session.execute(
        select(
            AnnotationRow.user_id,
            func.count(AnnotationRow.lead_time_s),
            func.sum(AnnotationRow.lead_time_s),
        )
        .where(
            AnnotationRow.project_id == project_id,
            AnnotationRow.by_robot.is_(False),
            AnnotationRow.was_cancelled.is_(False),
            AnnotationRow.deleted_at.is_(None),
            AnnotationRow.lead_time_s.is_not(None),
        )
        .group_by(AnnotationRow.user_id)
    )
    return {user: (count, seconds or 0.0) for user, count, seconds in rows}


def labels_since(session: Session, project_id: int, since: datetime) -> dict[int, int]:
    """Human labels by user that were given at or after ``since``, by Label Studio's clock."""
    rows = session.execute(
        select(AnnotationRow.user_id, func.count())
        .where(*_given_since(project_id, since))
        .group_by(AnnotationRow.user_id)
    )
    return dict(rows.all())


def strategies_since(
    session: Session, project_id: int, since: datetime
) -> dict[str, dict[int, int]]:
    """Those of ``labels_since`` by the part of the queue that had asked for the task, then user."""
    rows = session.execute(
        select(DeliveryRow.strategy, AnnotationRow.user_id, func.count())
        .join(
            DeliveryRow,
            (DeliveryRow.project_id == AnnotationRow.project_id)
            & (DeliveryRow.task_id == AnnotationRow.task_id),
        )
        .where(*_given_since(project_id, since), DeliveryRow.strategy.is_not(None))
        .group_by(DeliveryRow.strategy, AnnotationRow.user_id)
    )
    found: dict[str, dict[int, int]] = {}
    for strategy, user, count in rows:
        found.setdefault(str(strategy), {})[user] = count
    return found


def _given_since(project_id: int, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        AnnotationRow.project_id == project_id,
        AnnotationRow.by_robot.is_(False),
        AnnotationRow.was_cancelled.is_(False),
        AnnotationRow.deleted_at.is_(None),
        AnnotationRow.created_at >= since,
    )
