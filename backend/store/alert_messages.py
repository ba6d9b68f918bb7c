"""The outbox of alerts: one message for each alert and channel, kept until it is out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend.store.reports import ALERT_CHANNELS, Report, newest_report, store_report
from backend.store.tables import AlertMessageRow

PENDING, SENT, GIVEN_UP = "pending", "sent", "given_up"
# Part of another message, which tells of it too; and told to nobody, as the policy's rules say.
MERGED, LEFT_OUT = "merged", "left_out"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 30.0, 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message and how far it got; ``error`` is what came back from the last try."""

    id: int
    alert_id: int
    channel: str
    state: str
    body: dict[str, Any]
    attempts: int
    next_attempt_at: datetime
    sent_at: datetime | None
    error: str | None
    created_at: datetime


def channels_since(session: Session, project_id: int) -> dict[str, datetime]:
    """Since when each channel is known; what was raised before is not sent there."""
    last = newest_report(session, project_id, ALERT_CHANNELS)
    if last is None:
        return {}
    return {name: datetime.fromisoformat(since) for name, since in last.body.items()}


def store_channels(
    session: Session, project_id: int, channels: Iterable[str], now: datetime
) -> dict[str, datetime]:
    """Note which channels there are now: one that is new, or back, begins now."""
    before = channels_since(session, project_id)
    current = {name: before.get(name, now) for name in sorted(channels)}
    if current != before:
        body = {name: since.isoformat() for name, since in current.items()}
        report = Report(kind=ALERT_CHANNELS, model_version=None, made_at=now, body=body)
        store_report(session, project_id, report)
    return current


def messages(
    session: Session, project_id: int, channel: str | None = None, state: str | None = None
) -> list[StoredMessage]:
    """The messages of a project, of one channel or in one state, oldest first."""
    rows = select(AlertMessageRow).where(AlertMessageRow.project_id == project_id)
    if channel is not None:
        rows = rows.where(AlertMessageRow.channel == channel)
    if state is not None:
        rows = rows.where(AlertMessageRow.state == state)
    return [_message(row) for row in session.scalars(rows.order_by(AlertMessageRow.id))]


def store_message(
    session: Session,
    project_id: int,
    message: tuple[int, str, str, dict[str, Any]],
    now: datetime,
) -> StoredMessage:
    """Keep a new message: the alert's number, the channel, the state, the body."""
    alert_id, channel, state, body = message
    row = AlertMessageRow(
        project_id=project_id,
        alert_id=alert_id,
        channel=channel,
        state=state,
        body=body,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return _message(row)


def merge_message(session: Session, message: StoredMessage, carrier: int) -> None:
    """Another message tells of it too: that of this alert on the same channel."""
    session.execute(
        update(AlertMessageRow)
        .where(AlertMessageRow.id == message.id)
        .values(state=MERGED, error=None, body={**message.body, "told_with": carrier})
    )


def rewrite_message(session: Session, message_id: int, body: dict[str, Any]) -> None:
    """The message tells something else from now on."""
    session.execute(
        update(AlertMessageRow).where(AlertMessageRow.id == message_id).values(body=body)
    )


def mark_sent(session: Session, message_id: int, now: datetime) -> None:
    """The message is out."""
    session.execute(
        update(AlertMessageRow)
        .where(AlertMessageRow.id == message_id)
        .values(state=SENT, sent_at=now, error=None, attempts=AlertMessageRow.attempts + 1)
    )


def mark_failed(session: Session, message: StoredMessage, error: str, now: datetime) -> datetime:
    """Try again after 30 s, 1, 2, 4, ... minutes, at most an hour; when that is."""
    wait = min(_FIRST_WAIT_S * 2.0 ** min(message.attempts, 20), _LONGEST_WAIT_S)
    again = now + timedelta(seconds=wait)
    session.execute(
        update(AlertMessageRow)
        .where(AlertMessageRow.id == message.id)
        .values(attempts=message.attempts + 1, next_attempt_at=again, error=error)
    )
    return again


def has_come(message: StoredMessage, now: datetime) -> bool:
    """Its time has come, or is so far ahead that the clock was set back since."""
    return not now < message.next_attempt_at <= now + timedelta(seconds=_LONGEST_WAIT_S)


def postpone(session: Session, project_id: int, channel: str, until: datetime) -> None:
    """The channel is down: none of its messages is tried before then."""
    session.execute(
        update(AlertMessageRow)
        .where(
            AlertMessageRow.project_id == project_id,
            AlertMessageRow.channel == channel,
            AlertMessageRow.state == PENDING,
            AlertMessageRow.next_attempt_at < until,
        )
        .values(next_attempt_at=until)
    )


def give_up(session: Session, project_id: int, before: datetime) -> int:
    """Messages that are pending since before then are given up, with what they tell of; how many.

    Those that were merged into one count too.
    """
    old = [
        each for each in messages(session, project_id, state=PENDING) if each.created_at < before
    ]
    gone = {(each.alert_id, each.channel) for each in old}
    told = [
        each.id
        for each in (messages(session, project_id, state=MERGED) if gone else ())
        if (each.body.get("told_with"), each.channel) in gone
    ]
    ids = [each.id for each in old] + told
    session.execute(
        update(AlertMessageRow).where(AlertMessageRow.id.in_(ids)).values(state=GIVEN_UP)
    )
    return len(ids)


def count_sent(session: Session, project_id: int, channel: str, since: datetime) -> int:
    """Messages that went out on a channel after a time."""
    return (
        session.scalar(
            select(func.count())
            .select_from(AlertMessageRow)
            .where(
                AlertMessageRow.project_id == project_id,
                AlertMessageRow.channel == channel,
                AlertMessageRow.state == SENT,
                AlertMessageRow.sent_at > since,
            )
        )
        or 0
    )


def count_messages(session: Session) -> dict[tuple[int, str], int]:
    """Messages by project and state."""
    rows = session.execute(
        select(AlertMessageRow.project_id, AlertMessageRow.state, func.count()).group_by(
            AlertMessageRow.project_id, AlertMessageRow.state
        )
    )
    return {(project_id, state): count for project_id, state, count in rows}


def _message(row: AlertMessageRow) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        alert_id=row.alert_id,
        channel=row.channel,
        state=row.state,
        body=row.body,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        sent_at=row.sent_at,
        error=row.error,
        created_at=row.created_at,
    )
