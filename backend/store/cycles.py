"""Cycles of training: which labels came between one version's training and the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.model_tables import ModelRow, TrainingRequestRow
from backend.store.tables import AnnotationRow, DeliveryRow
from backend.store.votes import human


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """When a task's first human label came, and the part of the queue that had asked for it.

    ``strategy`` is None where no queue asked: a label from before Labelgate, or out of turn.
    """

    task_id: int
    strategy: str | None
    first_label: datetime


def training_starts(session: Session, project_id: int) -> dict[str, datetime]:
    """When each version's training began, oldest version first."""
    rows = session.execute(
        select(ModelRow.version, func.max(TrainingRequestRow.started_at))
        .join(
            TrainingRequestRow,
            (TrainingRequestRow.project_id == ModelRow.project_id)
            & (TrainingRequestRow.model_version == ModelRow.version),
        )
        .where(ModelRow.project_id == project_id, TrainingRequestRow.started_at.is_not(None))
        .group_by(ModelRow.version, ModelRow.number)
        .order_by(ModelRow.number)
    )
    return {version: started for version, started in rows if started is not None}


def asked_labels(session: Session, project_id: int) -> list[Asked]:
    """Every task with a human label that counts, by task."""
    rows = session.execute(
        select(
            AnnotationRow.task_id,
            func.max(DeliveryRow.strategy),
            func.min(AnnotationRow.first_seen_at),
        )
        .outerjoin(
            DeliveryRow,
            (DeliveryRow.project_id == AnnotationRow.project_id)
            & (DeliveryRow.task_id == AnnotationRow.task_id),
        )
        .where(AnnotationRow.project_id == project_id, *human())
        .group_by(AnnotationRow.task_id)
        .order_by(AnnotationRow.task_id)
    )
    return [
        Asked(task_id=task_id, strategy=strategy, first_label=first)
        for task_id, strategy, first in rows
    ]
