"""Use case: alerts on their way to people.

What opened or is over is written into the outbox in one transaction, and sent after it. A message
is tried until it is out or given up; a kill between sending and noting it doubles at most that one,
and both carry the same id.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts.channels import Channels, configured_channels
from backend.alerts.outbox import ID, TOLD, queue_alerts, told_by
from backend.alerts.watch import watch
from backend.leasing import Lease, holding
from backend.runtime import Runtime
from backend.store.alert_messages import (
    GIVEN_UP,
    PENDING,
    SENT,
    StoredMessage,
    count_sent,
    give_up,
    has_come,
    mark_failed,
    mark_sent,
    merge_message,
    messages,
    postpone,
    rewrite_message,
    store_channels,
)
from backend.store.projects import ConnectedProject
from connectors.alerts.channel import (
    AlertChannel,
    AlertChannelDownError,
    AlertChannelError,
    AlertMessage,
)
from policies.alert_wording import ToldAlert, subject_of, text_of
from policies.loading import parse_policy

logger = logging.getLogger(__name__)

RATE_WINDOW = timedelta(minutes=10)
MOST_IN_ONE = 100  # alerts in one message; the next ones come in the next


def tell(
    runtime: Runtime, project: ConnectedProject, channels: Channels | None = None
) -> dict[str, Any]:
    """Judge the rules, queue what is new, send what is due; how many of each.

    ``channels`` are those of the settings where they are not given.
    """
    channels = configured_channels(runtime.settings) if channels is None else channels
    policy = parse_policy(project.policy_text)
    for name, problem in channels.problems.items():
        logger.warning("alerts.channel_unusable channel=%s: %s", name, problem)
    with holding(runtime, f"alerts/{project.id}") as lease:
        if lease is None:
            return {"state": "running elsewhere"}
        names = (*channels.usable, *channels.problems)
        with runtime.sessions.begin() as session:
            # First, so that what the rules open next counts for a channel that is new too.
            store_channels(session, project.id, names, runtime.now())
        changed = watch(runtime, project, policy)
        queued = queue_alerts(runtime, project, policy)
        done = _send_all(runtime, project, channels, lease)
    return {
        "opened": [alert.says for alert in changed if alert.opened],
        "resolved": [alert.says for alert in changed if not alert.opened],
        "queued": queued,
        **{name: done[name] for name in (SENT, "failed", GIVEN_UP)},
        "problems": dict(channels.problems),
    }


def message_of(body: dict[str, Any]) -> AlertMessage:
    """A message as its channel gets it, the same with every try."""
    told = told_by(body)
    people = dict.fromkeys(person for each in told for person in each.people)
    # Whoever reads the channel is told where one alert of several names no tier.
    everybody = any(each.tier is None for each in told)
    return AlertMessage(
        id=body[ID],
        subject=subject_of(told),
        text=text_of(told),
        recipients=() if everybody else tuple(people),
        payload=_payload(told),
    )


def _payload(told: Sequence[ToldAlert]) -> dict[str, Any]:
    first = told[0]
    if len(told) == 1:
        return {
            "project": first.project,
            "project_id": first.project_id,
            "alert": first.alert,
            "about": first.about,
            "state": first.state,
            "says": first.says,
            "detail": first.detail,
            "at": first.at,
            "tier": first.tier,
            "opened_at": first.opened_at,
            "link": first.link,
        }
    tiers = {each.tier for each in told}
    return {
        **_payload(told[:1]),
        "alert": "digest",
        "about": f"{len(told)} alerts",
        "state": "digest",
        "says": f"{len(told)} alerts, together because they were many at once",
        "detail": {"alerts": [_payload([each]) for each in told]},
        "at": told[-1].at,
        "tier": first.tier if len(tiers) == 1 else None,
        "opened_at": None,
    }


def _send_all(
    runtime: Runtime, project: ConnectedProject, channels: Channels, lease: Lease
) -> Counter[str]:
    done: Counter[str] = Counter()
    too_old = runtime.now() - timedelta(days=runtime.settings.alert_give_up_days)
    with runtime.sessions.begin() as session:
        done[GIVEN_UP] = give_up(session, project.id, too_old)
    if done[GIVEN_UP]:
        logger.error("alerts.given_up project=%d messages=%d", project.id, done[GIVEN_UP])
    for name, channel in channels.usable.items():
        with runtime.sessions.begin() as session:
            lease.require(session)
            due = _due(session, runtime, project, name)
        for message in due:
            outcome, down = _send(runtime, project, channel, message)
            done[outcome] += 1
            if down:
                break
    return done


def _due(
    session: Session, runtime: Runtime, project: ConnectedProject, channel: str
) -> list[StoredMessage]:
    """What may go out now: more than the rate allows come together in its last message."""
    now = runtime.now()
    sent = count_sent(session, project.id, channel, now - RATE_WINDOW)
    room = runtime.settings.alert_rate - sent
    waiting = messages(session, project.id, channel, PENDING)
    pending = [each for each in waiting if has_come(each, now)]
    if room <= 0 or len(pending) <= room:
        return pending[: max(room, 0)]
    alone, rest = pending[: room - 1], pending[room - 1 :]
    single = [each for each in rest if len(each.body[TOLD]) == 1][:MOST_IN_ONE]
    if len(single) < 2:
        return [*alone, rest[0]]
    carrier, *others = single
    body = {
        ID: f"{carrier.body[ID]}-and-{len(others)}",
        TOLD: [each.body[TOLD][0] for each in single],
    }
    rewrite_message(session, carrier.id, body)
    for each in others:
        merge_message(session, each, carrier.alert_id)
    return [*alone, *(m for m in messages(session, project.id, channel) if m.id == carrier.id)]


def _send(
    runtime: Runtime, project: ConnectedProject, channel: AlertChannel, message: StoredMessage
) -> tuple[str, bool]:
    """Send one message and note it: what came of it, and whether the channel is down."""
    try:
        channel.send(message_of(message.body))
    except AlertChannelError as error:
        down = isinstance(error, AlertChannelDownError)
        with runtime.sessions.begin() as session:
            again = mark_failed(session, message, str(error), runtime.now())
            if down:
                postpone(session, project.id, message.channel, again)
        logger.warning(
            "alerts.not_sent project=%d channel=%s message=%d attempt=%d: %s",
            project.id,
            message.channel,
            message.id,
            message.attempts + 1,
            error,
        )
        return "failed", down
    with runtime.sessions.begin() as session:
        mark_sent(session, message.id, runtime.now())
    return SENT, False
