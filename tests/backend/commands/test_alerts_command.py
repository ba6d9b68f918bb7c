"""``labelgate alerts``: whether the channels work, and what was told to whom."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from backend.alerts.telling import tell
from backend.store.alerts import Alert, store_alert
from labelgate import main
from policies.alert_wording import _OTHER, _STEPS
from tests.fakes.alert_receivers import HttpReceiver, MailReceiver, receiving
from tests.fakes.worked_project import WorkedProject, worked_project


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    server = HttpReceiver()
    with receiving(server):
        yield server


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["alerts", *map(str, words)])


def raised(worked: WorkedProject) -> None:
    tell(worked.runtime, worked.project)
    alert = Alert(
        name="drift", about="x", opened=True, says="x drifted", detail={}, made_at=worked.clock()
    )
    with worked.runtime.sessions.begin() as session:
        store_alert(session, worked.project_id, alert)
    tell(worked.runtime, worked.project)


def test_without_channels_the_test_says_what_to_set() -> None:
    result = run("test")
    assert result.exit_code == 1
    for name in ("SLACK_URL", "WEBHOOK_URL", "WEBHOOK_SECRET", "SMTP_URL", "EMAIL_FROM"):
        assert f"LABELGATE_ALERT_{name}" in result.output
    assert "SMTP" not in run("test", "--channel", "slack").output


def test_every_channel_is_tried(http: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    mails = MailReceiver()
    monkeypatch.setenv("LABELGATE_ALERT_SLACK_URL", f"{http.url}/T1/verysecret")
    monkeypatch.setenv("LABELGATE_ALERT_WEBHOOK_URL", f"{http.url}/hook")
    monkeypatch.setenv("LABELGATE_ALERT_SMTP_URL", mails.url)
    monkeypatch.setenv("LABELGATE_ALERT_EMAIL_FROM", "labelgate@example.com")
    monkeypatch.setenv("LABELGATE_ALERT_EMAIL_TO", "ops@example.com")
    with receiving(mails):
        result = run("test")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "slack    ok      answered 200",
        "webhook  ok      answered 200",
        "email    ok      taken for 1 of 1 recipients",
    ]
    assert len(http.got) == 2
    assert mails.got[0].mail["Subject"] == "[Labelgate] test"
    http.status = 500
    result = run("test", "--channel", "slack")
    assert (result.exit_code, len(http.got)) == (1, 3)
    assert "slack    failed  answered 500" in result.output
    assert "verysecret" not in result.output


def test_a_wrong_setting_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELGATE_ALERT_SLACK_URL", "hooks.slack.com/T1/verysecret")
    result = run("test")
    assert result.exit_code == 1
    assert "LABELGATE_ALERT_SLACK_URL must begin with http:// or https://" in result.output
    assert "verysecret" not in result.output


def test_alerts_are_listed_with_how_far_they_got(folder: Path, http: HttpReceiver) -> None:
    (folder / "alert_slack.url").write_text(f"{http.url}/T1/verysecret")
    worked = worked_project(folder)
    assert run("list").output == "no alert was ever raised\n"
    http.status = 503
    raised(worked)
    result = run("list", "--project", "worked")
    assert result.exit_code == 0, result.output
    assert "STANDS    project" in result.output
    assert "drift: x drifted" in result.output
    assert "slack: pending, try 1: answered 503: ok" in result.output
    (listed,) = json.loads(run("list", "--json").stdout)["alerts"]
    assert (listed["alert"], listed["state"], listed["stands"]) == ("drift", "opened", True)
    assert listed["messages"][0]["state"] == "pending"
    assert "verysecret" not in result.output


def test_every_command_that_a_message_names_exists() -> None:
    for _, told in (*_STEPS.values(), _OTHER):
        program, *words = shlex.split(told.format(project=1))
        assert program == "labelgate"
        command: click.Command = main
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, told
            command, words = found, words[1:]
        known = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, told
