"""The times at which a project's loops opened and closed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.store.model_tables import ModelRow, TrainingRequestRow
from backend.store.tables import AnnotationRow, DecisionRow
from backend.store.votes import standing
from policies.loops import ClosedLoop


def closed_loops(session: Session, project_id: int) -> list[ClosedLoop]:
    """Every loop that has closed, oldest first.

    A version that never decided a task opens no loop; one that was not promoted closes none, and
    one that was trained before the other served and promoted by hand later closes none either.
    """
    predicted = dict(
        session.execute(
            select(DecisionRow.model_version, func.min(DecisionRow.decided_at))
            .where(DecisionRow.project_id == project_id, DecisionRow.model_version.is_not(None))
            .group_by(DecisionRow.model_version)
        ).all()
    )
    promoted = session.execute(
        select(
            ModelRow.version,
            ModelRow.trained_at,
            ModelRow.promoted_at,
            func.max(TrainingRequestRow.requested_at),
            func.max(TrainingRequestRow.started_at),
        )
        .outerjoin(
            TrainingRequestRow,
            (TrainingRequestRow.project_id == ModelRow.project_id)
            & (TrainingRequestRow.model_version == ModelRow.version),
        )
        .where(ModelRow.project_id == project_id, ModelRow.promoted_at.is_not(None))
        .group_by(ModelRow.version, ModelRow.number, ModelRow.trained_at, ModelRow.promoted_at)
        .order_by(ModelRow.promoted_at, ModelRow.number)
    ).all()
    loops = []
    for before, after in pairwise(promoted):
        version, first = before.version, predicted.get(before.version)
        closed_by, trained, closed_at, requested, started = after
        if first is None or started is None or closed_at is None:
            continue
        if first <= started:
            loops.append(
                ClosedLoop(
                    version=version,
                    closed_by=closed_by,
                    first_prediction=first,
                    last_label=_last_label(session, project_id, first, requested),
                    started=started,
                    trained=trained,
                    promoted=closed_at,
                )
            )
    return loops


def _last_label(
    session: Session, project_id: int, since: datetime, until: datetime
) -> datetime | None:
    """When the newest human label of that time came that still stands."""
    return session.scalar(
        select(func.max(AnnotationRow.created_at)).where(
            AnnotationRow.project_id == project_id,
            *standing(),
            AnnotationRow.created_at >= since,
            AnnotationRow.created_at <= until,
        )
    )
