"""Job: how far people agree on the tasks that several of them labelled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from audit_jobs.agreement.alerts import alerts_due
from audit_jobs.agreement.projects import ALPHA, Setting, project_agreement
from audit_jobs.agreement.slices import part_of
from audit_jobs.measures.weighting import Part
from backend.reviewers import tier_members
from backend.runtime import Runtime
from backend.store.alerts import open_alerts, store_alert
from backend.store.gold import gold_task_ids
from backend.store.models import champion
from backend.store.projects import ConnectedProject
from backend.store.reports import AGREEMENT, Report, newest_report, store_report
from backend.store.shared_tasks import lead_seconds, shared_state, shared_tasks
from backend.store.tallies import count_decisions
from connectors.label_studio.labeling import LabelingError, parse_labeling
from policies.domain import MONITORED, Outcome, Purpose
from policies.loading import parse_policy
from policies.schema import Policy

# Up to so many answers are measured anew with every one that comes. Beyond, one more moves no
# figure: they are measured once a hundredth of them is new, and once an hour at the latest.
AT_ONCE = 2_000
NEW_SHARE = 0.01
LATEST = timedelta(hours=1)


def run(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    """Measure and keep a report with its alerts, unless nothing has changed since the last one."""
    now = runtime.now()
    with runtime.reads() as session:
        state = {
            **shared_state(session, project.id).as_json(),
            "policy": project.policy_hash,
            "label_config": hashlib.sha256(project.label_config.encode()).hexdigest(),
        }
        last = newest_report(session, project.id, AGREEMENT)
        if last is not None and not measurement_due(state, last, now):
            return {"state": "nothing new", "answers": state["answers"]}
    policy = parse_policy(project.policy_text)
    tiers = tier_members(runtime, policy)
    with runtime.reads() as session:
        setting = _setting(session, project, policy, tiers)
        body = {"state": state, **project_agreement(shared_tasks(session, project.id), setting)}
        model = champion(session, project.id)
        standing_alerts = open_alerts(session, project.id)

    alerts = alerts_due(body, standing_alerts, now)

    version = None if model is None else model.version
    report = Report(kind=AGREEMENT, model_version=version, made_at=now, body=body)
    with runtime.sessions.begin() as session:
        store_report(session, project.id, report)
        for alert in alerts:
            store_alert(session, project.id, alert, version)
    return {
        "answers": state["answers"],
        "units": body["units"],
        ALPHA: body[ALPHA],
        "opened": [alert.says for alert in alerts if alert.opened],
        "resolved": [alert.says for alert in alerts if not alert.opened],
    }


def measurement_due(state: Mapping[str, Any], last: Report, now: datetime) -> bool:
    """Whether so much has changed since the last report that its figures may have moved."""
    before = last.body.get("state")
    if before == state:
        return False
    if before is None or any(before[name] != state[name] for name in ("policy", "label_config")):
        return True
    new = abs(state["answers"] - before["answers"])
    few = state["answers"] <= AT_ONCE
    return few or new >= NEW_SHARE * before["answers"] or now - last.made_at >= LATEST


def _setting(
    session: Session,
    project: ConnectedProject,
    policy: Policy,
    members: Mapping[str, set[int]],
) -> Setting:
    try:
        control = parse_labeling(project.label_config).controls[0]
    except LabelingError:
        control = None
    sizes: dict[Part, int] = {}
    for name, count in count_decisions(session, project.id).items():
        outcome, purpose = name.split("/", 1)
        if purpose in MONITORED:
            continue  # a sample of another model's production: nobody else was drawn of it
        part = part_of(Outcome(outcome), Purpose(purpose))
        sizes[part] = sizes.get(part, 0) + count
    return Setting(
        control=None if control is None else control.name,
        control_type="choices" if control is None else control.tag,
        asked=policy.agreement.overlap,
        minimum_alpha=policy.agreement.minimum_alpha,
        tiers={user: tier for tier, users in members.items() for user in users},
        sizes=sizes,
        seconds=lead_seconds(session, project.id),
        gold=gold_task_ids(session, project.id),
    )
