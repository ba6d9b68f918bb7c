"""Writing new alerts into the outbox: which are told, to whom, and what says that one is over.

A channel is told of what is raised from the first round on that knows it. That something is over
is told where its beginning was: an alert that is over before its message got out makes one
message, and one whose message was given up, or never meant for anybody, makes none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backend.alerts.watch import WATCHED
from backend.runtime import Runtime
from backend.store.alert_messages import (
    GIVEN_UP,
    LEFT_OUT,
    PENDING,
    StoredMessage,
    channels_since,
    merge_message,
    messages,
    store_message,
)
from backend.store.alerts import Alert, NumberedAlert, numbered_alerts, unqueued_alerts
from backend.store.projects import ConnectedProject
from policies.alert_wording import ToldAlert
from policies.alerting import Audience, audience_of
from policies.schema import Policy

# What a message's body holds: its id, and the alerts that it tells, one but for a digest.
ID, TOLD = "id", "told"


def queue_alerts(runtime: Runtime, project: ConnectedProject, policy: Policy) -> int:
    """Note every new alert for every channel in one transaction; how many messages are to go out.

    What nobody is told is noted too, so that a later change of the rules sends no old news.
    """
    queued = 0
    with runtime.sessions.begin() as session:
        for channel, since in channels_since(session, project.id).items():
            new = unqueued_alerts(session, project.id, channel, since)
            if not new:
                continue
            openings = _openings(numbered_alerts(session, project.id))
            known = {each.alert_id: each for each in messages(session, project.id, channel)}
            for alert in new:
                opening = known.get(openings.get(alert.id, alert.id))
                told = _told(runtime, project, policy, alert.alert, opening)
                state = LEFT_OUT if told is None else PENDING
                body = {} if told is None else _body(told, alert.id, channel)
                if told is not None and told.opened_at is not None and opening is not None:
                    merge_message(session, opening, alert.id)
                row = (alert.id, channel, state, body)
                known[alert.id] = store_message(session, project.id, row, runtime.now())
                queued += state == PENDING
    return queued


def _openings(alerts: Sequence[NumberedAlert]) -> dict[int, int]:
    """The number of each alert that something is over -> that of the alert that it had begun."""
    newest: dict[tuple[str, str], int] = {}
    found: dict[int, int] = {}
    for each in alerts:
        if each.alert.opened:
            newest[each.alert.event] = each.id
        elif each.alert.event in newest:
            found[each.id] = newest[each.alert.event]
    return found


def _told(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    alert: Alert,
    opening: StoredMessage | None,
) -> ToldAlert | None:
    """What the message says; None where nobody is told. ``opening`` is that it had begun."""
    if alert.opened:
        audience = audience_of(policy.alerts, alert.name, alert.detail.get(WATCHED))
        return None if audience is None else _message(runtime, project, policy, (alert, audience))
    if opening is None or opening.state in {LEFT_OUT, GIVEN_UP}:
        return None
    first = next(each for each in told_by(opening.body) if (each.alert, each.about) == alert.event)
    unsent = opening.state == PENDING and len(opening.body[TOLD]) == 1
    return _message(
        runtime,
        project,
        policy,
        (alert, Audience(tier=first.tier)),
        opened_at=first.at if unsent else None,
    )


def _message(
    runtime: Runtime,
    project: ConnectedProject,
    policy: Policy,
    told: tuple[Alert, Audience],
    opened_at: str | None = None,
) -> ToldAlert:
    alert, audience = told
    people = [tier.reviewers for tier in policy.tiers if tier.name == audience.tier]
    return ToldAlert(
        project_id=project.id,
        project=project.title,
        alert=alert.name,
        about=alert.about,
        state="opened" if alert.opened else "resolved",
        says=alert.says,
        detail=alert.detail,
        at=alert.made_at.isoformat(),
        tier=audience.tier,
        people=people[0] if people else (),
        opened_at=opened_at,
        link=f"{runtime.settings.own_url}/#project-{project.id}",
    )


def _body(told: ToldAlert, alert_id: int, channel: str) -> dict[str, Any]:
    # The same with every try, and of no other installation that tells the same receiver.
    place = hashlib.sha256(f"{told.link}|{told.at}|{channel}".encode()).hexdigest()[:12]
    return {ID: f"{place}-{told.project_id}-{alert_id}", TOLD: [asdict(told)]}


def told_by(body: Mapping[str, Any]) -> list[ToldAlert]:
    """The alerts that a message tells."""
    return [ToldAlert(**{**each, "people": tuple(each["people"])}) for each in body[TOLD]]
