"""The figures that the page and /metrics show: numbers, and the newest reports of the jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from backend.store.alerts import Alert, newest_alerts
from backend.store.certificates import StoredCertification, valid_certification
from backend.store.counts import Queue
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import (
    AGREEMENT,
    AUDIT,
    FIGURES,
    GOLD,
    MONITORING,
    RECALL,
    THRESHOLD,
    Report,
    newest_report,
    reports,
)
from backend.store.tables import AnnotationRow, DecisionRow, DeliveryRow
from backend.store.tallies import tallies

_INCIDENTS = 10  # of recalls and of thresholds that moved, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReports:
    """What jobs have found of a project: what serves, and the newest of each report.

    ``alerts`` holds the newest alert of each event, those that are over too; ``six`` the six
    figures of the loop, ``recalls`` and ``thresholds`` the newest few, oldest first.
    """

    project: ConnectedProject
    champion: ModelVersion | None
    certified: StoredCertification | None
    agreement: Report | None
    alerts: list[Alert]
    audit: Report | None
    gold: Report | None
    monitoring: Report | None
    six: Report | None
    recalls: list[Report]
    thresholds: list[Report]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFigures(ProjectReports):
    """The same with numbers. ``decisions`` counts current decisions by "outcome/purpose"."""

    tasks: int
    human_labels: int
    labelled_tasks: int
    accepted: int
    waiting: int
    decisions: Mapping[str, int]
    deliveries: Mapping[str, int]
    queues: tuple[Queue, ...]


def project_figures(session: Session, project: ConnectedProject) -> ProjectFigures:
    """Count everything as it is now: for what needs the exact numbers, not for pages.

    Pages take ``project_reports``, and the numbers of ``backend.counting.shown_counts``.
    """
    counted = tallies(session, project)
    return ProjectFigures(
        tasks=counted.tasks,
        human_labels=counted.human_labels,
        labelled_tasks=counted.labelled_tasks,
        accepted=counted.accepted,
        waiting=counted.waiting,
        decisions=counted.decisions,
        deliveries=counted.deliveries,
        queues=counted.queues,
        **_reports(session, project),
    )


def project_reports(session: Session, project: ConnectedProject) -> ProjectReports:
    """What needs nothing large to be counted."""
    return ProjectReports(**_reports(session, project))


def _reports(session: Session, project: ConnectedProject) -> dict[str, Any]:
    """The fields of ``ProjectReports``."""
    serving = champion(session, project.id)
    return {
        "project": project,
        "champion": serving,
        "certified": (
            valid_certification(session, project.id, serving.version, project.policy_hash)
            if serving
            else None
        ),
        "agreement": newest_report(session, project.id, AGREEMENT),
        "alerts": list(newest_alerts(session, project.id).values()),
        "audit": newest_report(session, project.id, AUDIT),
        "gold": newest_report(session, project.id, GOLD),
        "monitoring": newest_report(session, project.id, MONITORING),
        "six": newest_report(session, project.id, FIGURES),
        "recalls": reports(session, project.id, RECALL)[-_INCIDENTS:],
        "thresholds": reports(session, project.id, THRESHOLD)[-_INCIDENTS:],
    }


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
