"""Channels of alerts: one contract for the fake and real local servers, and what goes wrong."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.alerts.channel import (
    AlertChannel,
    AlertChannelDownError,
    AlertChannelError,
    AlertMessage,
)
from connectors.alerts.mail import Mail, mail_of
from connectors.alerts.webhooks import SignedWebhook, SlackWebhook
from tests.fakes.alert_receivers import FakeChannel, HttpReceiver, MailReceiver, receiving

MESSAGE = AlertMessage(
    id="abc-1-7",
    subject="[Labelgate] mail: breaker, v1",
    text="Auto-accept is suspended: 9 of 40 audits failed <&> ünïcode",
    recipients=(),
    payload={"project": "mail", "says": "suspended", "detail": {"errors": 9}},
)
SECRET_PATH = "T012/B345/verysecret"
# Key and self-signed certificate of localhost, of no use to anybody else.
CERTIFICATE = Path(__file__).parent / "alerts" / "localhost.pem"


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    server = HttpReceiver()
    with receiving(server):
        yield server


@pytest.fixture
def mail_server() -> Iterator[MailReceiver]:
    server = MailReceiver()
    with receiving(server):
        yield server


def slack(server: HttpReceiver, timeout_s: float = 5) -> SlackWebhook:
    return SlackWebhook(url=f"{server.url}/{SECRET_PATH}", timeout_s=timeout_s)


def signed(server: HttpReceiver) -> SignedWebhook:
    return SignedWebhook(url=f"{server.url}/hook?token={SECRET_PATH}", secret="s3cret")


def by_mail(server: MailReceiver, url: str | None = None, timeout_s: float = 5) -> Mail:
    return Mail(
        url=url or server.url,
        sender="labelgate@example.com",
        recipients=("ops@example.com",),
        timeout_s=timeout_s,
    )


@pytest.fixture(params=["fake", "slack", "webhook", "email"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[AlertChannel, Callable[[], list[str]]]]:
    """A channel, and what has arrived at its other end, as texts."""
    with ExitStack() as stack:
        if request.param == "fake":
            fake = FakeChannel()
            yield fake, lambda: [each.text for each in fake.got]
        elif request.param == "email":
            mails = MailReceiver()
            stack.enter_context(receiving(mails))
            yield by_mail(mails), lambda: [each.mail.get_content() for each in mails.got]
        else:
            server = HttpReceiver()
            stack.enter_context(receiving(server))
            channel = slack(server) if request.param == "slack" else signed(server)
            yield channel, lambda: [each.body.decode() for each in server.got]


def test_a_message_arrives_once_and_something_is_said_of_it(
    pair: tuple[AlertChannel, Callable[[], list[str]]],
) -> None:
    channel, arrived = pair
    assert channel.send(MESSAGE)
    (text,) = arrived()
    assert "suspended" in text


def test_slack_gets_escaped_text(http: HttpReceiver) -> None:
    assert slack(http).send(MESSAGE) == "answered 200"
    (request,) = http.got
    body = json.loads(request.body)
    assert body == {"text": "Auto-accept is suspended: 9 of 40 audits failed &lt;&amp;&gt; ünïcode"}
    assert request.path == f"/{SECRET_PATH}"
    assert request.headers["X-Labelgate-Id"] == "abc-1-7"


def test_a_signed_webhook_can_be_verified(http: HttpReceiver) -> None:
    signed(http).send(MESSAGE)
    (request,) = http.got
    assert json.loads(request.body) == {"id": "abc-1-7", **MESSAGE.payload}
    fields = dict(each.split("=") for each in request.headers["X-Labelgate-Signature"].split(","))
    told = hmac.new(b"s3cret", fields["t"].encode() + b"." + request.body, hashlib.sha256)
    assert hmac.compare_digest(told.hexdigest(), fields["v1"])
    assert abs(int(fields["t"]) - dt.datetime.now(dt.UTC).timestamp()) < 60


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, AlertChannelError),
        (404, AlertChannelError),
        (302, AlertChannelError),
        (429, AlertChannelDownError),
    ],
)
def test_refusals_of_a_webhook(
    http: HttpReceiver, status: int, error: type[AlertChannelError]
) -> None:
    http.status, http.body = status, b"no_service"
    http.location = f"{http.url}/elsewhere" if status == 302 else None
    with pytest.raises(AlertChannelError, match=f"answered {status}") as caught:
        signed(http).send(MESSAGE)
    assert type(caught.value) is error
    assert len(http.got) == 1  # nobody followed the redirect
    assert ("no_service" in str(caught.value)) is (status != 302)


def test_an_endless_answer_is_not_read(http: HttpReceiver) -> None:
    http.body = b"x" * 50_000_000
    assert slack(http).send(MESSAGE) == "answered 200"
    http.status = 500
    with pytest.raises(AlertChannelError) as caught:
        slack(http).send(MESSAGE)
    assert len(str(caught.value)) < 300


def test_a_slow_server_is_given_up_on(http: HttpReceiver) -> None:
    http.held.clear()
    with pytest.raises(AlertChannelDownError, match=r"no answer within 0\.2 s"):
        slack(http, timeout_s=0.2).send(MESSAGE)


def test_no_error_and_no_log_repeats_a_secret(
    http: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    http.status, http.body = 404, f"Cannot POST /{SECRET_PATH}".encode()
    gone = SlackWebhook(url=f"http://127.0.0.1:9/{SECRET_PATH}", timeout_s=1)
    wrong = SlackWebhook(url=f"http://[::1/{SECRET_PATH}", timeout_s=1)
    login = Mail(
        url="smtp://user:verysecret@127.0.0.1:9", sender="a@b.c", recipients=("d@e.f",), timeout_s=1
    )
    said = [repr(channel) for channel in (gone, signed(http), login)]
    for channel in (slack(http), signed(http), gone, wrong, login):
        with pytest.raises(AlertChannelError) as caught:
            channel.send(MESSAGE)
        said.append(str(caught.value))
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "verysecret" not in "\n".join([*said, caplog.text])
    assert "s3cret" not in "\n".join([*said, caplog.text])


def test_a_mail_says_who_what_and_its_own_id(mail_server: MailReceiver) -> None:
    assert by_mail(mail_server).send(MESSAGE) == "taken for 1 of 1 recipients"
    (envelope,) = mail_server.got
    mail = envelope.mail
    assert envelope.recipients == ["ops@example.com"]
    assert (mail["Subject"], mail["To"]) == (MESSAGE.subject, "ops@example.com")
    assert mail["Message-ID"] == "<abc-1-7@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "ünïcode" in mail.get_content()


def test_a_tier_gets_the_mail_instead(mail_server: MailReceiver) -> None:
    mail_server.refused = {"gone@example.com"}
    people = ("sue@example.com", "gone@example.com")
    told = AlertMessage(id="1", subject="s", text="t", recipients=people, payload={})
    assert by_mail(mail_server).send(told) == "taken for 1 of 2 recipients"
    assert mail_server.got[0].recipients == ["sue@example.com"]
    mail_server.refused = set(people)
    with pytest.raises(AlertChannelError, match="refused every recipient"):
        by_mail(mail_server).send(told)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x00", "\x85"])
def test_no_alert_can_add_a_header(end: str) -> None:
    subject = f"trip{end}Bcc: all@example.com{end}{end}body"
    evil = AlertMessage(id="1", subject=subject, text="text", recipients=(), payload={})
    mail = mail_of(evil, "a@example.com", ("b@example.com",))
    assert mail["Bcc"] is None
    assert mail["Subject"] == "trip Bcc: all@example.com body"
    assert mail.get_content() == "text\n"


def test_a_mail_server_that_refuses(mail_server: MailReceiver) -> None:
    mail_server.answer = "554 no spam please"
    with pytest.raises(AlertChannelError, match=r"^the mail server refused: 554$"):
        by_mail(mail_server).send(MESSAGE)


def test_a_slow_mail_server(mail_server: MailReceiver) -> None:
    mail_server.held.clear()
    with pytest.raises(AlertChannelDownError, match=r"no answer within|ended the connection"):
        by_mail(mail_server, timeout_s=0.2).send(MESSAGE)


def test_no_password_goes_over_a_plain_line(mail_server: MailReceiver) -> None:
    url = mail_server.url.replace("//", "//ann:verysecret@")
    with pytest.raises(AlertChannelDownError, match="offers no TLS") as caught:
        by_mail(mail_server, url).send(MESSAGE)
    assert "verysecret" not in str(caught.value)
    assert mail_server.got == []


@pytest.mark.parametrize("answer", ["235 ok", "535 wrong verysecret"])
def test_a_password_goes_over_starttls(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))  # what OpenSSL trusts by default
    server = MailReceiver(tls)
    server.login_answer = answer
    with receiving(server):
        channel = by_mail(server, f"smtp://ann%40x:verysecret@localhost:{server.port}")
        if answer.startswith("535"):
            with pytest.raises(AlertChannelDownError, match=r"refused the login: 535$"):
                channel.send(MESSAGE)
            return
        channel.send(MESSAGE)
    (envelope,) = server.got
    assert envelope.encrypted
    assert envelope.login is not None


def test_the_guide_shows_how_to_verify(http: HttpReceiver) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    shown: dict[str, Callable[[str, bytes, str], bool]] = {}
    exec(guide.split("```python\n")[1].split("```")[0], shown)  # noqa: S102 - our own guide
    signed(http).send(MESSAGE)
    request = http.got[0]
    header, verified = request.headers["X-Labelgate-Signature"], shown["verified"]
    assert verified(header, request.body, "s3cret")
    assert not verified(header, request.body + b" ", "s3cret")
    assert not verified(header, request.body, "other")
    old = SignedWebhook(url=f"{http.url}/hook", secret="s3cret", clock=lambda: 1_700_000_000.0)
    old.send(MESSAGE)
    assert not verified(http.got[1].headers["X-Labelgate-Signature"], http.got[1].body, "s3cret")
    assert not any(verified(wrong, b"", "s3cret") for wrong in ("", "t=", "v1=é,t=1", "x"))
