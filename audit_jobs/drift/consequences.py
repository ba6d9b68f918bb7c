"""What follows from drift beside the alert: the promise is withdrawn, a training is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.retraining import ask, lacking_labels
from backend.store.certificates import void_certifications
from backend.store.projects import ConnectedProject
from backend.store.reports import Report
from backend.store.training import labels_at_last_request
from backend.store.votes import count_new_labels
from policies.schema import Policy

_REASON = "the traffic drifted"
# Of the report: whether a training was asked for, or what it waits for.
RETRAIN = "retrain"


def withdraw(session: Session, project: ConnectedProject, version: str, now: datetime) -> int:
    """Void the certificate of the whole version (docs/adr/0012); how many were valid."""
    why = f"drift: the traffic is not what {version} was certified on"
    return void_certifications(session, project.id, why, now)


def retrain(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    asked: dict[str, Any] | None,
    now: datetime,
) -> dict[str, Any] | None:
    """Ask for a training, once an event, as soon as there are labels that none has seen yet.

    ``asked`` is what the event's last report says of it, None where the event begins.
    """
    if not policy.drift.retrain:
        return None
    if asked is not None and not asked["waits"]:
        return asked
    lacking = why_no_training(session, project, policy)
    if lacking is not None:
        return {"waits": True, "why": lacking}
    labels = count_new_labels(session, project.id)
    ask(session, project, policy, _REASON, now)
    return {"waits": False, "why": f"a training was asked for, with {labels} labels"}


def waits(last: Report | None) -> bool:
    """Whether a report says that a training waits for labels."""
    asked = None if last is None else last.body.get(RETRAIN)
    return asked is not None and bool(asked["waits"])


def why_no_training(session: Session, project: ConnectedProject, policy: Policy) -> str | None:
    """Why a training would come to nothing now; None: it would not."""
    if count_new_labels(session, project.id) <= labels_at_last_request(session, project.id):
        return "there is no label yet that no training has seen"
    return lacking_labels(session, project, policy)
