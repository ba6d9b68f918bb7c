"""The figures that alert rules watch, as the newest reports and the queues say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from backend.store.decisions import is_current
from backend.store.job_tables import JobRunRow
from backend.store.reports import AGREEMENT, AUDIT, CORRECTIONS, newest_report
from backend.store.tables import DecisionRow, TaskRow
from policies.domain import Estimate, Outcome, Purpose
from policies.low_agreement import LEAST_TASKS

_ALPHA = "krippendorff_alpha"


def audit_pass_rate(session: Session, project_id: int) -> Estimate | None:
    """The pass rate of the newest audit report; None where there is none yet."""
    report = newest_report(session, project_id, AUDIT)
    return None if report is None else _estimate(report.body.get("pass_rate"))


def correction_rate(session: Session, project_id: int) -> Estimate | None:
    """The correction rate of the newest report; None where there is none yet."""
    report = newest_report(session, project_id, CORRECTIONS)
    return None if report is None else _estimate(report.body.get("rate"))


def agreement_alphas(session: Session, project_id: int) -> dict[str, Estimate]:
    """Alpha of the routed queue by control; of the tasks drawn for it where those are enough."""
    report = newest_report(session, project_id, AGREEMENT)
    found: dict[str, Estimate] = {}
    for name, control in ({} if report is None else report.body.get("controls", {})).items():
        drawn, routed = (
            _estimate(control["slices"].get(part, {}).get(_ALPHA))
            for part in ("agreement_drawn", "routed")
        )
        judged = drawn if drawn is not None and drawn.n >= LEAST_TASKS else routed
        if judged is not None and judged.n >= LEAST_TASKS:
            found[name] = judged
    return found


def waiting_by_tier(session: Session, project_id: int) -> dict[str, int]:
    """Tasks that wait for people of each tier, in its view or for a place in it."""
    tier = func.coalesce(TaskRow.escalated_to, DecisionRow.tier)
    rows = session.execute(
        select(tier, func.count())
        .select_from(DecisionRow)
        .join(TaskRow, is_current())
        .where(
            DecisionRow.project_id == project_id,
            or_(
                DecisionRow.outcome == Outcome.REVIEW,
                DecisionRow.purpose == Purpose.AUDIT,  # an accept that waits for an auditor
            ),
            TaskRow.deleted_at.is_(None),
            or_(
                TaskRow.human_labels == 0,
                TaskRow.escalated_to.is_not(None),
                TaskRow.wants_reader.is_(True),
            ),
        )
        .group_by(tier)
    )
    return {str(name): count for name, count in rows if name is not None}


def failed_in_a_row(session: Session, project_id: int) -> dict[str, int]:
    """By job, how many of its newest runs have failed without one between that went well."""
    own = (JobRunRow.project_id == project_id, JobRunRow.outcome.is_not(None))
    done = JobRunRow.outcome == "done"
    found: dict[str, int] = {}
    for job in session.scalars(select(JobRunRow.job).where(*own).distinct()):
        of_job = (*own, JobRunRow.job == job)
        last = session.scalar(select(func.max(JobRunRow.id)).where(*of_job, done)) or 0
        found[job] = session.scalar(select(func.count()).where(*of_job, JobRunRow.id > last)) or 0
    return found


def _estimate(found: Mapping[str, Any] | None) -> Estimate | None:
    if not isinstance(found, Mapping) or found.get("value") is None:
        return None
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    return Estimate(value=value, low=low, high=high, n=int(found.get("n") or 0))
