"""Alerts: one report row when something starts to be wrong, one when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.store.reports import ALERT, Report, reports, store_report
from backend.store.tables import ReportRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is wrong (``name``) with what (``about``); ``opened`` is false where it is over.

    ``says`` is the sentence that people read, ``detail`` the figures behind it.
    """

    name: str
    about: str
    opened: bool
    says: str
    detail: dict[str, Any]
    made_at: datetime

    @property
    def event(self) -> tuple[str, str]:
        """What opens once and is over once."""
        return self.name, self.about


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedAlert:
    """An alert under the number of its row, by which its messages know it."""

    id: int
    alert: Alert


def store_alert(
    session: Session, project_id: int, alert: Alert, model_version: str | None = None
) -> None:
    """Keep an alert; who sends it finds it among the reports, oldest first."""
    body = {
        "alert": alert.name,
        "about": alert.about,
        "state": "opened" if alert.opened else "resolved",
        "says": alert.says,
        "detail": alert.detail,
    }
    report = Report(kind=ALERT, model_version=model_version, made_at=alert.made_at, body=body)
    store_report(session, project_id, report)


def newest_alerts(session: Session, project_id: int) -> dict[tuple[str, str], Alert]:
    """The newest alert of each event, over or not, in the order in which they first came."""
    every = (_alert(report) for report in reports(session, project_id, ALERT))
    return {alert.event: alert for alert in every}


def open_alerts(session: Session, project_id: int) -> dict[tuple[str, str], Alert]:
    """The alerts that are not over."""
    newest = newest_alerts(session, project_id)
    return {event: alert for event, alert in newest.items() if alert.opened}


def numbered_alerts(
    session: Session, project_id: int, since: datetime | None = None
) -> list[NumberedAlert]:
    """All alerts, or those made from a time on, in the order in which they were made."""
    rows = select(ReportRow).where(ReportRow.project_id == project_id, ReportRow.kind == ALERT)
    if since is not None:
        rows = rows.where(ReportRow.made_at >= since)
    return [
        NumberedAlert(id=row.id, alert=_alert(row))
        for row in session.scalars(rows.order_by(ReportRow.made_at, ReportRow.id))
    ]


def _alert(report: Report | ReportRow) -> Alert:
    body = report.body
    return Alert(
        name=body["alert"],
        about=body["about"],
        opened=body["state"] == "opened",
        says=body["says"],
        detail=body["detail"],
        made_at=report.made_at,
    )
