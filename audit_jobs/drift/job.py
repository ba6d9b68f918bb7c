"""Job: whether the traffic still is what the serving version was made for, and what follows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from audit_jobs.drift.alerts import opened, over
from audit_jobs.drift.consequences import RETRAIN, retrain, waits, why_no_training, withdraw
from audit_jobs.drift.looking import Asked, Look, Window, look, window_of
from audit_jobs.drift.raising import raised_now
from audit_jobs.drift.reference import (
    FEWEST_NEW,
    Event,
    Period,
    event_of,
    reference_period,
    same_reference,
    step_of,
)
from backend.champion import Champion, load_champion
from backend.leasing import holding
from backend.predictors.errors import ArtifactError
from backend.runtime import Runtime
from backend.slices import labelled_slices
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.certificates import valid_certification
from backend.store.drift import count_arrivals
from backend.store.models import ModelVersion, champion
from backend.store.projects import ConnectedProject
from backend.store.reports import DRIFT, Report, newest_report, store_report
from connectors.annotation_tool import AnnotationToolError
from policies.drift import DRIFT_ALERT, TRAFFIC
from policies.loading import parse_policy
from policies.schema import Policy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """Where things stand before a look; ``new`` tasks came since the last one.

    ``training_due`` says that a training waits for labels, and that they have come.
    """

    policy: Policy
    model: ModelVersion
    last: Report | None
    event: Event | None
    alert: Alert | None
    certified_at: datetime | None
    period: Period
    window: Window | None
    new: int
    training_due: bool

    @property
    def body(self) -> dict[str, Any]:
        """What the last report said."""
        return {} if self.last is None else self.last.body


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Look at the traffic where enough of it is new, act once on drift, and keep a report."""
    gathered = _gathered(runtime, project)
    if gathered is None:
        return {"state": "no model yet"}
    if not (_look_due(gathered) or _over_without_look(gathered) or gathered.training_due):
        return {"state": "nothing new", "new": gathered.new}
    with holding(runtime, f"drift/{project.id}") as lease:
        if lease is None:
            return {"state": "running elsewhere"}
        gathered = _gathered(runtime, project)  # it may have been done by who held the lease
        if gathered is None:
            return {"state": "no model yet"}
        try:
            found = _looked(runtime, project, gathered) if _look_due(gathered) else None
        except (AnnotationToolError, ArtifactError) as error:
            logger.warning("drift.not_looked project=%d error=%s", project.id, error)
            return {"state": "failed", "why": str(error)}
        return _act(runtime, project, gathered, found)


def _gathered(runtime: Runtime, project: ConnectedProject) -> _Gathered | None:
    policy, now = parse_policy(project.policy_text), runtime.now()
    with runtime.reads() as session:
        model = champion(session, project.id)
        if model is None:
            return None
        last = newest_report(session, project.id, DRIFT)
        event = event_of(last)
        certified = valid_certification(session, project.id, model.version, project.policy_hash)
        certified_at = None if certified is None else certified.certified_at
        period = _filled(session, project, reference_period(model, event, certified_at))
        looked_until = None if last is None else _until(last)
        if not same_reference(period, last) or looked_until is None:
            looked_until = period.until
        return _Gathered(
            policy=policy,
            model=model,
            last=last,
            event=event,
            alert=open_alerts(session, project.id).get((DRIFT_ALERT, TRAFFIC)),
            certified_at=certified_at,
            period=period,
            window=window_of(session, project.id, policy.drift, period.until, now),
            new=count_arrivals(session, project.id, looked_until),
            training_due=waits(last) and why_no_training(session, project, policy) is None,
        )


def _filled(session: Session, project: ConnectedProject, period: Period) -> Period:
    """The period, from the beginning where too few tasks came since the drift."""
    if period.since is None:
        return period
    if count_arrivals(session, project.id, period.since, period.until) >= FEWEST_NEW:
        return period
    return replace(period, since=None)


def _until(last: Report) -> datetime | None:
    window = last.body.get("window")
    return None if window is None else datetime.fromisoformat(window["until"])


def _look_due(gathered: _Gathered) -> bool:
    if gathered.window is None:
        return False
    return gathered.new >= step_of(len(gathered.window.ids))


def _over_without_look(gathered: _Gathered) -> str | None:
    """Why a standing alert is over whatever the traffic looks like; None: it is not."""
    event, model = gathered.event, gathered.model
    if gathered.alert is None:
        return None
    if event is None or event.model_version != model.version:
        return f"{model.version} serves, and is compared with what was known when it was trained"
    if gathered.certified_at is not None and gathered.certified_at > event.at:
        return f"{model.version} was certified anew on newer control answers"
    return None


def _looked(runtime: Runtime, project: ConnectedProject, gathered: _Gathered) -> Look | None:
    serving: Champion | None = load_champion(runtime, project.id)
    if serving is None or gathered.window is None:
        return None
    if serving.model.version != gathered.model.version:
        return None  # promoted meanwhile: the next round looks at it
    with runtime.reads() as session:
        control = labelled_slices(session, project, gathered.policy).control
    asked = Asked(
        runtime=runtime,
        project=project,
        policy=gathered.policy,
        serving=serving,
        control=control,
    )
    return look(asked, gathered.period, gathered.window)


def _act(
    runtime: Runtime, project: ConnectedProject, gathered: _Gathered, found: Look | None
) -> dict[str, Any]:
    """Record what was found and all that follows from it, in one transaction."""
    now = runtime.now()
    over_because = _over_because(gathered, found)
    stands = gathered.alert is not None and over_because is None
    begins = found is not None and found.comparison.drifted and not stands
    if found is None and over_because is None and not gathered.training_due:
        return {"state": "nothing new", "new": gathered.new}

    with runtime.sessions.begin() as session:
        alerts = []
        if gathered.alert is not None and over_because is not None:
            alerts.append(over(gathered.alert, over_because, now))
        voided = 0
        if begins and found is not None:
            voided = withdraw(session, project, gathered.model.version, now)
            level = found.figures["false_alarm"]["this_look"]
            alerts.append(opened(found, level, voided, now))
        body = {
            **gathered.body,
            **_figures(gathered, found),
            "raised": raised_now(
                gathered.body.get("raised", ()),
                () if found is None else found.risen,
                gathered.policy.drift,
                now,
            ),
            "event": _event_json(gathered, found, now, begins=begins),
            "standing": begins or stands,
            RETRAIN: None,
        }
        if begins or stands:
            asked = None if begins else gathered.body.get(RETRAIN)
            body[RETRAIN] = retrain(session, project, gathered.policy, asked, now)
        if begins:
            body["voided"] = voided
        version = gathered.model.version
        store_report(
            session, project.id, Report(kind=DRIFT, model_version=version, made_at=now, body=body)
        )
        for alert in alerts:
            store_alert(session, project.id, alert, version)
            logger.warning("drift.alert project=%d %s", project.id, alert.says)
    return {
        "drifted": body["drifted"],
        "tasks": 0 if found is None else len(found.window.ids),
        "raised": len(body["raised"]),
        "opened": [alert.says for alert in alerts if alert.opened],
        "resolved": [alert.says for alert in alerts if not alert.opened],
    }


def _over_because(gathered: _Gathered, found: Look | None) -> str | None:
    """Why a standing alert is over now; None where it stands, or where there is none."""
    because = _over_without_look(gathered)
    if because is not None or found is None or gathered.alert is None:
        return because
    later = gathered.event is not None and found.window.since > gathered.event.at
    if later and not found.comparison.drifted:
        return "the tasks that came since are again like those the model was trained for"
    return None


def _figures(gathered: _Gathered, found: Look | None) -> dict[str, Any]:
    if found is None:
        if same_reference(gathered.period, gathered.last):
            return {}
        return {
            "drifted": False,
            "features": [],
            "label_shift": None,
            "window": None,
            "reference": gathered.period.as_json(),
            "notes": ["too few new tasks for a look at this reference yet"],
        }
    return {**found.comparison.as_json(), **found.figures}


def _event_json(
    gathered: _Gathered, found: Look | None, now: datetime, *, begins: bool
) -> dict[str, str] | None:
    """The drift that is heeded from now on; forgotten once the traffic is as it was before it."""
    if begins and found is not None:
        version = gathered.model.version
        since = found.window.since
        return Event(at=now, tasks_since=since, model_version=version).as_json()
    if gathered.event is None:
        return None
    because = _over_because(gathered, found)
    if because is not None and _over_without_look(gathered) is None:
        return None
    return gathered.event.as_json()
