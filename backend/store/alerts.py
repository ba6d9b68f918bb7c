"""Alerts: one report row when something starts to be wrong, one when it is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from backend.store.reports import ALERT, Report, reports, store_report
from backend.store.tables import AlertMessageRow, ReportRow


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

    def over(self, says: str, now: datetime) -> Alert:
        """What tells that it is over, and why."""
        return replace(self, opened=False, says=says, made_at=now)


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


def numbered_alerts(session: Session, project_id: int) -> list[NumberedAlert]:
    """All alerts, in the order in which they were made."""
    return _numbered(session, _of_project(project_id))


def unqueued_alerts(
    session: Session, project_id: int, channel: str, since: datetime
) -> list[NumberedAlert]:
    """Alerts made from a time on of which a channel's outbox knows nothing yet."""
    known = select(AlertMessageRow.id).where(
        AlertMessageRow.alert_id == ReportRow.id, AlertMessageRow.channel == channel
    )
    new = _of_project(project_id).where(ReportRow.made_at >= since, ~known.exists())
    return _numbered(session, new)


def _of_project(project_id: int) -> Select[ReportRow]:
    return select(ReportRow).where(ReportRow.project_id == project_id, ReportRow.kind == ALERT)


def _numbered(session: Session, rows: Select[ReportRow]) -> list[NumberedAlert]:
    ordered = session.scalars(rows.order_by(ReportRow.made_at, ReportRow.id))
    return [NumberedAlert(id=row.id, alert=_alert(row)) for row in ordered]


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
