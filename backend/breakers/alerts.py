"""Alerts of the breaker: a group that was suspended, and that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.recalls import lock_project
from backend.store.suspensions import suspensions
from policies.breaker import Suspension
from policies.trips import scope_named

TRIPPED = "breaker"


def opened(suspension: Suspension, failing: Mapping[str, int]) -> Alert:
    """Tells of a trip; ``failing`` are the labels that were accepted wrongly, with how often."""
    about = scope_named(suspension.model_version, suspension.group)
    good = suspension.good_until
    return Alert(
        name=TRIPPED,
        about=about,
        opened=True,
        says=f"{about}: auto-accept is suspended: {suspension.why}",
        detail={
            "model_version": suspension.model_version,
            "predictor": suspension.group[0],
            "label": suspension.group[1],
            "statistic": suspension.statistic,
            "audits": suspension.audits,
            "errors": suspension.errors,
            "failing": dict(failing),
            "good_until": None if good is None else good.isoformat(),
        },
        made_at=suspension.since,
    )


def moved(alert: Alert, now: datetime) -> Alert:
    """Tells that a group is none any more, while its answers are suspended in others."""
    says = f"{alert.about}: the policy cuts its answers otherwise now; they stay suspended"
    return alert.over(says, now)


def resolve(runtime: Runtime, project: ConnectedProject) -> None:
    """Tell what is over: the group is armed again, or its version serves no longer."""
    with runtime.reads() as session:
        if not _over(session, project.id, runtime.now()):
            return
    with runtime.sessions.begin() as session:
        lock_project(session, project.id)
        for alert in _over(session, project.id, runtime.now()):
            store_alert(session, project.id, alert, alert.detail["model_version"])


def _over(session: Session, project_id: int, now: datetime) -> list[Alert]:
    told = [each for each in open_alerts(session, project_id).values() if each.name == TRIPPED]
    if not told:
        return []
    serving = champion(session, project_id)
    version = None if serving is None else serving.version
    standing = {
        scope_named(each.model_version, each.group)
        for each in suspensions(session, project_id)
        if each.rearmed_at is None
    }
    over = []
    for each in told:
        if each.about not in standing:
            says = f"{each.about}: a new certificate proves the promise: it is accepted again"
        elif each.detail["model_version"] != version:
            says = f"{each.about}: another version serves now: {version}"
        else:
            continue
        over.append(each.over(says, now))
    return over
