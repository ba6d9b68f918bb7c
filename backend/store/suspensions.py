"""Breakers that tripped: which groups of answers are not accepted now, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.store.promise_tables import SuspensionRow
from policies.breaker import Suspension
from policies.promises import Group


def store_suspension(session: Session, project_id: int, suspension: Suspension) -> None:
    """Keep a trip; its id is set by the store."""
    predictor, label = suspension.group
    session.add(
        SuspensionRow(
            project_id=project_id,
            model_version=suspension.model_version,
            predictor=predictor,
            label=label,
            since=suspension.since,
            statistic=suspension.statistic,
            audits=suspension.audits,
            errors=suspension.errors,
            good_until=suspension.good_until,
            why=suspension.why,
            reset_at=suspension.reset_at,
            reset_why=suspension.reset_why,
            rearmed_at=suspension.rearmed_at,
        )
    )


def store_group(session: Session, suspension_id: int, group: Group) -> None:
    """The same answers make up another group now."""
    predictor, label = group
    session.execute(
        update(SuspensionRow)
        .where(SuspensionRow.id == suspension_id)
        .values(predictor=predictor, label=label)
    )


def suspensions(
    session: Session, project_id: int, model_version: str | None = None
) -> list[Suspension]:
    """Every trip of a project (of one version, where asked), ended ones too, oldest first."""
    query = select(SuspensionRow).where(SuspensionRow.project_id == project_id)
    if model_version is not None:
        query = query.where(SuspensionRow.model_version == model_version)
    return [_suspension(row) for row in session.scalars(query.order_by(SuspensionRow.id))]


def standing_suspensions(session: Session, project_id: int, model_version: str) -> list[Suspension]:
    """Those under which nothing is accepted now."""
    found = suspensions(session, project_id, model_version)
    return [each for each in found if each.rearmed_at is None]


def suspended_groups(session: Session, serving: Mapping[int, str]) -> dict[int, int]:
    """Project -> how many groups of its serving version are not accepted now."""
    rows = session.execute(
        select(SuspensionRow.project_id, SuspensionRow.model_version).where(
            SuspensionRow.project_id.in_(serving), SuspensionRow.rearmed_at.is_(None)
        )
    )
    return Counter(project for project, version in rows if version == serving[project])


def reset_suspension(session: Session, suspension_id: int, why: str, now: datetime) -> None:
    """Somebody looked into it: the group may be certified anew."""
    session.execute(
        update(SuspensionRow)
        .where(SuspensionRow.id == suspension_id, SuspensionRow.reset_at.is_(None))
        .values(reset_at=now, reset_why=why)
    )


def use_up_reset(session: Session, suspension_id: int) -> None:
    """The look that a reset allowed proved nothing: it takes another one."""
    session.execute(
        update(SuspensionRow)
        .where(SuspensionRow.id == suspension_id, SuspensionRow.rearmed_at.is_(None))
        .values(reset_at=None)
    )


def rearm_suspension(session: Session, suspension_id: int, now: datetime) -> None:
    """A new certificate proves the promise: the group is accepted again."""
    session.execute(
        update(SuspensionRow)
        .where(SuspensionRow.id == suspension_id, SuspensionRow.rearmed_at.is_(None))
        .values(rearmed_at=now)
    )


def _suspension(row: SuspensionRow) -> Suspension:
    return Suspension(
        id=row.id,
        model_version=row.model_version,
        group=(row.predictor, row.label),
        since=row.since,
        statistic=row.statistic,
        audits=row.audits,
        errors=row.errors,
        good_until=row.good_until,
        why=row.why,
        reset_at=row.reset_at,
        reset_why=row.reset_why,
        rearmed_at=row.rearmed_at,
    )
