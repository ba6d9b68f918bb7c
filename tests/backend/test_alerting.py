"""Alerts on their way: told once, retried, limited in rate, never lost, and judged by rules."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from backend.alerts.channels import Channels, configured_channels
from backend.alerts.telling import tell
from backend.settings import Settings
from backend.store.alert_messages import StoredMessage, count_messages, messages
from backend.store.alerts import Alert, open_alerts, store_alert
from backend.store.job_runs import close_run, open_run
from backend.store.reports import AUDIT, Report, store_report
from backend.web.metrics import Metrics
from connectors.alerts.channel import AlertChannelError, AlertMessage
from policies.intervals import wilson
from tests.fakes.alert_receivers import FakeChannel
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


class Stage:
    """A worked project with one channel of each name that is asked for."""

    def __init__(self, folder: Path, alerts: list[dict[str, Any]] | None = None) -> None:
        self.worked: WorkedProject = worked_project(folder, worked_policy(alerts=alerts or []))
        self.slack = FakeChannel()
        self.channels = Channels(usable={"slack": self.slack})
        self.tell()

    def tell(self) -> dict[str, Any]:
        return tell(self.worked.runtime, self.worked.project, self.channels)

    def raise_alert(self, name: str = "breaker", about: str = "v1", *, opened: bool = True) -> None:
        alert = Alert(
            name=name,
            about=about,
            opened=opened,
            says=f"{about} is {'wrong' if opened else 'right again'}",
            detail={"pass_rate": wilson(40, 50).as_json()},
            made_at=self.worked.clock(),
        )
        with self.worked.runtime.sessions.begin() as session:
            store_alert(session, self.worked.project_id, alert)

    def audited(self, passed: int, n: int) -> None:
        body = {"pass_rate": wilson(passed, n).as_json()}
        now = self.worked.clock()
        with self.worked.runtime.sessions.begin() as session:
            report = Report(kind=AUDIT, model_version=None, made_at=now, body=body)
            store_report(session, self.worked.project_id, report)

    def ran(self, job: str, *, well: bool) -> None:
        now, project = self.worked.clock(), self.worked.project_id
        with self.worked.runtime.sessions.begin() as session:
            close_run(session, open_run(session, job, project, now), {} if well else "down", now)

    def outbox(self) -> list[StoredMessage]:
        with self.worked.runtime.reads() as session:
            return messages(session, self.worked.project_id)

    def states(self) -> list[str]:
        return [each.state for each in self.outbox()]

    def standing(self) -> set[tuple[str, str]]:
        with self.worked.runtime.reads() as session:
            return set(open_alerts(session, self.worked.project_id))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_what_opens_and_is_over_is_told_once_each(stage: Stage) -> None:
    stage.raise_alert()
    assert stage.tell()["sent"] == 1
    assert stage.tell()["sent"] == 0
    (told,) = stage.slack.got
    assert "v1 is wrong" in told.text
    assert "Measured: pass rate 0.800 (0.6" in told.text
    assert f"labelgate breaker status --project {stage.worked.project_id}" in told.text
    assert stage.worked.runtime.settings.own_url in told.text
    assert (told.payload["state"], told.payload["alert"]) == ("opened", "breaker")
    stage.raise_alert(opened=False)
    stage.tell()
    stage.tell()
    assert [each.payload["state"] for each in stage.slack.got] == ["opened", "resolved"]
    assert len({each.id for each in stage.slack.got}) == 2


def test_nothing_older_than_a_channel_is_sent_there(stage: Stage) -> None:
    email = FakeChannel()
    stage.raise_alert(about="old")
    stage.tell()
    stage.channels = Channels(usable={"slack": stage.slack, "email": email})
    stage.tell()
    stage.raise_alert(about="new")
    stage.raise_alert(about="old", opened=False)
    stage.tell()
    assert [each.payload["about"] for each in stage.slack.got] == ["old", "new", "old"]
    assert [each.payload["about"] for each in email.got] == ["new"]  # nor that the old one is over


def test_without_channels_nothing_is_kept_for_later(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.channels = Channels()
    stage.tell()
    stage.raise_alert()
    stage.tell()
    stage.channels = Channels(usable={"slack": stage.slack})
    stage.tell()
    assert (stage.slack.got, stage.outbox()) == ([], [])


def test_a_channel_that_is_down_is_tried_again_ever_more_seldom(stage: Stage) -> None:
    stage.slack.down = True
    stage.raise_alert()
    waits = []
    for _ in range(9):
        stage.tell()
        (message,) = stage.outbox()
        waits.append(round((message.next_attempt_at - stage.worked.clock()).total_seconds()))
        assert stage.tell()["failed"] == 0  # not before its time
        stage.worked.clock.forward(waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    stage.slack.down = False
    stage.tell()
    assert stage.states() == ["sent"]
    assert stage.outbox()[0].attempts == 10


def test_one_refused_message_holds_up_no_other(stage: Stage) -> None:
    stage.raise_alert(about="a")
    stage.raise_alert(about="b")
    stage.slack.refuse()
    assert stage.tell()["sent"] == 1
    assert stage.states() == ["pending", "sent"]
    assert stage.outbox()[0].error == "answered 500"


def test_after_some_days_a_message_is_given_up_and_its_end_is_not_told(stage: Stage) -> None:
    stage.slack.down = True
    stage.raise_alert()
    stage.tell()
    stage.worked.clock.forward(3.1 * 86_400)
    assert stage.tell()["given_up"] == 1
    stage.slack.down = False
    stage.raise_alert(opened=False)
    stage.tell()
    assert stage.slack.got == []
    assert stage.states() == ["given_up", "left_out"]


def test_what_is_over_before_it_was_told_makes_one_message(stage: Stage) -> None:
    stage.slack.down = True
    stage.raise_alert()
    stage.tell()
    stage.raise_alert(opened=False)
    stage.tell()
    assert stage.states() == ["merged", "pending"]
    stage.slack.down = False
    stage.worked.clock.forward(60)
    stage.tell()
    (told,) = stage.slack.got
    assert told.payload["state"] == "resolved"
    assert told.payload["opened_at"] < told.payload["at"]
    assert "It had begun at 2026-03-01 09:00 UTC" in told.text


def test_a_kill_after_sending_doubles_one_message_under_its_id(stage: Stage) -> None:
    stage.raise_alert(about="a")
    stage.raise_alert(about="b")
    stage.slack.after = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        stage.tell()
    stage.slack.after = None
    stage.tell()
    assert [each.payload["about"] for each in stage.slack.got] == ["a", "a", "b"]
    assert stage.slack.got[0] == stage.slack.got[1]


def test_many_at_once_come_together_and_none_is_lost(stage: Stage) -> None:
    for number in range(60):
        stage.raise_alert(about=f"v{number}")
    assert stage.tell()["sent"] == 20
    assert stage.tell()["sent"] == 0
    *alone, digest = stage.slack.got
    assert digest.payload["alert"] == "digest"
    told = [each.payload["about"] for each in alone]
    told += [each["about"] for each in digest.payload["detail"]["alerts"]]
    assert told == [f"v{number}" for number in range(60)]
    assert "v59 is wrong" in digest.text
    assert stage.states().count("merged") == 40
    stage.raise_alert(about="v59", opened=False)  # the rate holds
    assert stage.tell()["sent"] == 0
    stage.worked.clock.forward(600)
    assert stage.tell()["sent"] == 1
    assert stage.slack.got[-1].payload["about"] == "v59"


def test_a_digest_that_fails_keeps_its_id_and_what_it_tells(stage: Stage) -> None:
    for number in range(22):
        stage.raise_alert(about=f"v{number}")
    stage.slack.failures = [AlertChannelError("answered 500")] * 20
    assert stage.tell()["failed"] == 20
    digest = next(each for each in stage.outbox() if len(each.body["told"]) > 1)
    stage.worked.clock.forward(60)
    stage.tell()
    assert len([each for each in stage.slack.got if each.id == digest.body["id"]]) == 1
    assert len(stage.slack.got) == 20
    assert stage.tell()["sent"] == 0


def test_a_flood_stays_a_few_messages(stage: Stage) -> None:
    for number in range(300):
        stage.raise_alert(about=f"v{number}")
    sent = 0
    for _ in range(20):
        sent += stage.tell()["sent"]
        stage.worked.clock.forward(601)
        if not stage.states().count("pending"):
            break
    told = sum(len(each.payload["detail"].get("alerts", [1])) for each in stage.slack.got)
    assert told == 300
    assert sent == 60


def test_two_processes_send_once(stage: Stage) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(FakeChannel):
        def send(self, message: AlertMessage) -> str:
            entered.set()
            go_on.wait(10)
            return super().send(message)

    slow = Slow()
    stage.channels = Channels(usable={"slack": slow})
    stage.raise_alert()
    first = threading.Thread(target=stage.tell)
    first.start()
    assert entered.wait(10)
    assert stage.tell() == {"state": "running elsewhere"}
    go_on.set()
    first.join()
    assert stage.tell()["sent"] == 0
    assert len(slow.got) == 1


def test_rules_without_a_bound_narrow_but_never_silence_the_breaker(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [{"when": "gold", "tier": "senior"}])
    for name in ("gold", "drift", "breaker"):
        stage.raise_alert(name)
    stage.tell()
    by_name = {each.payload["alert"]: each for each in stage.slack.got}
    assert set(by_name) == {"gold", "breaker"}
    assert by_name["gold"].recipients == ("sue@example.com",)
    assert "For tier senior: sue@example.com" in by_name["gold"].text
    assert by_name["breaker"].recipients == ()
    stage.worked.connect(worked_policy(alerts=[]))
    stage.raise_alert("drift", opened=False)
    stage.tell()
    assert len(stage.slack.got) == 2  # a change of the rules sends no old news


def test_a_rule_on_a_rate_opens_on_the_interval_and_closes_on_the_value(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [{"when": "audit_pass_rate", "below": 0.95, "tier": "senior"}])
    event = ("audit_pass_rate_bound", "below 0.95")
    for passed, n, stands in (
        (46, 50, False),  # 0.92, but the interval reaches 0.95
        (440, 500, True),  # 0.88, certainly under
        (470, 500, True),  # 0.94: not inside yet
        (480, 500, False),
        (470, 500, False),
    ):
        stage.audited(passed, n)
        stage.tell()
        assert (event in stage.standing()) is stands, (passed, n)
    assert [each.payload["state"] for each in stage.slack.got] == ["opened", "resolved"]
    assert "certainly under 0.95" in stage.slack.got[0].text
    assert stage.slack.got[0].payload["tier"] == "senior"
    stage.raise_alert("drift")  # a rule with a bound silences nothing
    stage.tell()
    assert stage.slack.got[-1].payload["alert"] == "drift"


def test_an_alert_whose_rule_is_gone_is_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [{"when": "audit_pass_rate", "below": 0.95}])
    stage.audited(440, 500)
    stage.tell()
    stage.worked.connect(worked_policy(alerts=[]))
    stage.tell()
    assert stage.standing() == set()
    assert stage.slack.got[-1].payload["state"] == "resolved"


def test_a_job_that_fails_again_and_again_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path, [{"when": "job_failed"}])
    for well, stands in ((False, 0), (False, 0), (False, 1), (False, 1), (True, 0), (False, 0)):
        stage.ran("sync", well=well)
        stage.tell()
        assert len(stage.standing()) == stands
    first, last = stage.slack.got
    assert "job sync has failed 3 times in a row" in first.text
    assert "job sync goes well again" in last.text


def test_a_queue_of_too_many_days_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.worked.connect(worked_policy(4, alerts=[{"when": "queue_days", "above": 5}]))
    stage.worked.promote()
    stage.worked.add(["music"] * 30)
    stage.worked.settle()
    stage.tell()
    assert stage.standing() == {("queue_days", "general above 5")}
    (told,) = stage.slack.got
    assert "tier general has 6.5" in told.text
    assert "days of work waiting, more than 5" in told.text


def test_audits_that_wait_are_work_too(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    rules = [{"when": "queue_days", "above": 5}]
    audit = {"share": 1.0, "most": 1.0, "tier": "general"}
    stage.worked.connect(worked_policy(4, alerts=rules, audit=audit))
    stage.worked.promote()
    stage.worked.add(["fruit"] * 30)
    stage.worked.settle()
    stage.tell()
    assert stage.standing() == {("queue_days", "general above 5")}


def test_messages_are_counted_by_state(stage: Stage) -> None:
    stage.raise_alert()
    stage.tell()
    with stage.worked.runtime.reads() as session:
        assert count_messages(session) == {(stage.worked.project_id, "sent"): 1}


def settings(folder: Path, **values: str) -> Settings:
    return Settings.model_validate({"data_dir": folder} | values)


def test_channels_are_read_from_settings_and_files(tmp_path: Path) -> None:
    assert configured_channels(settings(tmp_path)) == Channels()
    (tmp_path / "alert_slack.url").write_text("https://hooks.example.com/T/B/x\n")
    found = configured_channels(
        settings(
            tmp_path,
            alert_webhook_url="http://127.0.0.1:1/hook",
            alert_smtp_url="smtps://user:pass@mail.example.com",
            alert_email_from="labelgate@example.com",
            alert_email_to="a@example.com, b@example.com",
        )
    )
    assert set(found.usable) == {"slack", "webhook", "email"}
    assert (tmp_path / "alert_webhook.secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"alert_slack_url": "ftp://verysecret"}, "LABELGATE_ALERT_SLACK_URL must begin with"),
        ({"alert_slack_url": "https://"}, "and name a host"),
        ({"alert_slack_url": "https://[verysecret"}, "and name a host"),
        ({"alert_webhook_url": "file:///etc/verysecret"}, "LABELGATE_ALERT_WEBHOOK_URL must"),
        ({"alert_smtp_url": "mail.example.com:25"}, "must begin with smtp:// or smtps://"),
        ({"alert_smtp_url": "smtp://verysecret@h:99999"}, "and name a host"),
        ({"alert_smtp_url": "smtp://h"}, "LABELGATE_ALERT_EMAIL_FROM is not set"),
        (
            {"alert_smtp_url": "smtp://h", "alert_email_from": "a@b.c", "alert_email_to": "no"},
            "LABELGATE_ALERT_EMAIL_TO: 'no' is not an e-mail address",
        ),
        (
            {
                "alert_smtp_url": "smtp://h",
                "alert_email_from": "a@b.c\nBcc: x@y.z",
                "alert_email_to": "d@e.f",
            },
            "LABELGATE_ALERT_EMAIL_FROM: ",
        ),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    found = configured_channels(settings(tmp_path, **values))
    (problem,) = found.problems.values()
    assert said in problem
    assert "verysecret" not in problem
    assert found.usable == {}


def test_messages_are_in_the_metrics(stage: Stage) -> None:
    stage.raise_alert()
    stage.slack.down = True
    stage.tell()
    text = generate_latest(Metrics(stage.worked.runtime).registry).decode()
    project = stage.worked.project_id
    assert f'labelgate_alert_messages{{project="{project}",state="pending"}} 1.0' in text
    assert f'labelgate_alert_messages{{project="{project}",state="sent"}} 0.0' in text
    assert f'labelgate_alert_messages{{project="{project}",state="given_up"}} 0.0' in text
