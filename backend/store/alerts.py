"""Alerts: one report row when something starts to be wrong, one when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from backend.store.reports import ALERT, Report, reports, store_report
from backend.store.rollups import OPEN_ALERTS, Rollup, rollup_of, rollups, store_rollup
from backend.store.tables import AlertMessageRow, ProjectRow, ReportRow


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
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update())
    known = rollup_of(session, project_id, OPEN_ALERTS)
    standing = open_alerts(session, project_id) if known is None else _standing(known)
    standing.pop(alert.event, None)
    if alert.opened:
        standing[alert.event] = alert
    store_report(session, project_id, report)
    store_rollup(session, project_id, OPEN_ALERTS, _rollup(standing, alert.made_at))


def newest_alerts(session: Session, project_id: int) -> dict[tuple[str, str], Alert]:
    """The newest alert of each event, over or not, in the order in which they first came."""
    every = (_alert(report) for report in reports(session, project_id, ALERT))
    return {alert.event: alert for alert in every}


def open_alerts(session: Session, project_id: int) -> dict[tuple[str, str], Alert]:
    """The alerts that are not over."""
    newest = newest_alerts(session, project_id)
    return {event: alert for event, alert in newest.items() if alert.opened}


def all_open_alerts(session: Session, projects: Collection[int]) -> dict[int, list[Alert]]:
    """Project -> its alerts that are not over, the newest first.

    From what is kept with every alert; only of a project that had none since that began the
    history is read.
    """
    kept = rollups(session, OPEN_ALERTS, projects)
    found = {project: _standing(kept[project]) for project in projects if project in kept}
    rows = session.scalars(
        select(ReportRow)
        .where(ReportRow.project_id.in_(set(projects) - set(kept)), ReportRow.kind == ALERT)
        .order_by(ReportRow.made_at, ReportRow.id)
    )
    for row in rows:
        alert = _alert(row)
        found.setdefault(row.project_id, {})[alert.event] = alert
    return {
        project: sorted(
            (each for each in alerts.values() if each.opened),
            key=lambda alert: alert.made_at,
            reverse=True,
        )
        for project, alerts in found.items()
    }


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


def _rollup(standing: Mapping[tuple[str, str], Alert], now: datetime) -> Rollup:
    alerts = [{**asdict(each), "made_at": each.made_at.isoformat()} for each in standing.values()]
    return Rollup(body={"open": alerts}, made_at=now)


def _standing(rollup: Rollup) -> dict[tuple[str, str], Alert]:
    alerts = [
        Alert(**{**each, "made_at": datetime.fromisoformat(each["made_at"])})
        for each in rollup.body["open"]
    ]
    return {alert.event: alert for alert in alerts}


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
