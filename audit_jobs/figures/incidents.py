"""What went wrong in a project, and what was done about it: from the store, in plain values."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from backend.store.alerts import open_alerts
from backend.store.recalls import DONE
from backend.store.reports import RECALL, THRESHOLD, reports
from backend.store.suspensions import suspensions
from policies.breaker import Suspension


def incidents(session: Session, project_id: int) -> dict[str, list[dict[str, Any]]]:
    """Breakers that tripped, recalls, moved thresholds and alerts that stand; oldest first."""
    return {
        "suspensions": [_suspension(each) for each in suspensions(session, project_id)],
        "recalls": [e for e in _told(session, project_id, RECALL) if e["state"] == DONE],
        "thresholds": _told(session, project_id, THRESHOLD),
        "alerts": [
            {"alert": each.name, "about": each.about, "since": each.made_at, "says": each.says}
            for each in open_alerts(session, project_id).values()
        ],
    }


def _told(session: Session, project_id: int, kind: str) -> list[dict[str, Any]]:
    found = reports(session, project_id, kind)
    return [
        {"at": each.made_at, "model_version": each.model_version, **each.body} for each in found
    ]


def _suspension(suspension: Suspension) -> dict[str, Any]:
    predictor, label = suspension.group
    return {
        "at": suspension.since,
        "model_version": suspension.model_version,
        "predictor": predictor,
        "label": label,
        "why": suspension.why,
        "good_until": suspension.good_until,
        "reset_at": suspension.reset_at,
        "reset_why": suspension.reset_why,
        "rearmed_at": suspension.rearmed_at,
    }
