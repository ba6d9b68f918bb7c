"""``labelgate alerts``: what is wrong now, who was told, and whether the channels work."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import click

from backend.alerts.channels import CHANNELS, WAYS, Channels, configured_channels
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.store.alert_messages import StoredMessage, messages
from backend.store.alerts import NumberedAlert, newest_alerts, numbered_alerts
from backend.store.projects import all_projects
from connectors.alerts.channel import AlertChannelError, AlertMessage

_RECENT = 20


@click.group()
def alerts() -> None:
    """What is wrong now, who was told, and whether the channels work."""


@alerts.command()
@click.option(
    "--channel", type=click.Choice(CHANNELS), help="Only this one; default: all that are set."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def test(channel: str | None, *, as_json: bool) -> None:
    """Send a test message to every channel; exit with 1 where one does not take it.

    Example: labelgate alerts test --channel slack
    """
    found = configured_channels(read_settings())
    chosen = [each for each in CHANNELS if channel in (None, each)]
    known = [each for each in chosen if each in found.usable or each in found.problems]
    if not known:
        ways = "".join(f"\n  {name}: {WAYS[name]}" for name in chosen)
        raise click.ClickException(f"no channel is set; set, for{ways}")
    tried = [_tried(found, name) for name in known]
    if as_json:
        tell_json({"channels": tried})
    for each in () if as_json else tried:
        tell(f"{each['channel']:8} {'ok' if each['ok'] else 'failed':6}  {each['says']}")
    click.get_current_context().exit(0 if all(each["ok"] for each in tried) else 1)


def _tried(found: Channels, name: str) -> dict[str, Any]:
    """What became of a test message on a channel."""
    if name in found.problems:
        return {"channel": name, "ok": False, "says": found.problems[name]}
    try:
        said = found.usable[name].send(_test_message())
    except AlertChannelError as error:
        return {"channel": name, "ok": False, "says": str(error)}
    return {"channel": name, "ok": True, "says": said}


def _test_message() -> AlertMessage:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    says = "this is a test: alerts of Labelgate reach you here"
    return AlertMessage(
        id=f"test-{secrets.token_hex(6)}",
        subject="[Labelgate] test",
        text=f"Test of Labelgate's alerts: {says}.\nNothing is wrong, nothing is to be done.\n",
        recipients=(),
        payload={
            "project": None,
            "project_id": None,
            "alert": "test",
            "about": "labelgate alerts test",
            "state": "test",
            "says": says,
            "detail": {},
            "at": now,
            "tier": None,
            "opened_at": None,
            "link": None,
        },
    )


@alerts.command("list")
@click.option("--project", help="Number or title of one project; default: all connected ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def list_alerts(project: str | None, *, as_json: bool) -> None:
    """List the alerts that stand and the newest ones, each with how far its messages got.

    Example: labelgate alerts list --project 3
    """
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        projects = all_projects(session)
    if project is not None:
        projects = [connected_project(runtime, project)]
    listed: list[dict[str, Any]] = []
    for each in projects:
        with runtime.reads() as session:
            every = numbered_alerts(session, each.id)
            standing = {
                event for event, alert in newest_alerts(session, each.id).items() if alert.opened
            }
            out = messages(session, each.id)
        last = {alert.alert.event: alert.id for alert in every}
        for place, alert in enumerate(reversed(every)):
            stands = alert.alert.event in standing and last[alert.alert.event] == alert.id
            if stands or place < _RECENT:
                row = _as_json(alert, [m for m in out if m.alert_id == alert.id], stands=stands)
                listed.append({"project_id": each.id, "project": each.title, **row})
    if as_json:
        tell_json({"alerts": listed})
        return
    for row in listed:
        _tell(row)
    if not listed:
        tell("no alert was ever raised")


def _as_json(alert: NumberedAlert, out: list[StoredMessage], *, stands: bool) -> dict[str, Any]:
    return {
        "id": alert.id,
        "alert": alert.alert.name,
        "about": alert.alert.about,
        "state": "opened" if alert.alert.opened else "resolved",
        "stands": stands,
        "says": alert.alert.says,
        "detail": alert.alert.detail,
        "at": alert.alert.made_at.isoformat(),
        "messages": [
            {
                "channel": message.channel,
                "state": message.state,
                "attempts": message.attempts,
                "sent_at": None if message.sent_at is None else message.sent_at.isoformat(),
                "error": message.error,
            }
            for message in out
        ],
    }


def _tell(row: dict[str, Any]) -> None:
    stands = "STANDS" if row["stands"] else row["state"]
    at = f"{row['at'][:10]} {row['at'][11:16]} UTC"
    tell(f"{at}  {stands:8}  project {row['project_id']}  {row['alert']}: {row['says']}")
    for message in row["messages"]:
        why = f", try {message['attempts']}: {message['error']}" if message["error"] else ""
        state = message["state"].replace("_", " ")
        tell(f"    {message['channel']}: {state}{why}")
    if not row["messages"]:
        tell("    no channel was set when it was raised")
