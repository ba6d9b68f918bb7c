"""Alerts by e-mail, over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from urllib.parse import SplitResult, unquote, urlsplit

from connectors.alerts.channel import AlertChannelDownError, AlertChannelError, AlertMessage

TIMEOUT_S = 15.0
_LONGEST_SUBJECT = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail server, whom messages come from, and who gets those that name no tier.

    ``url`` is smtp://USER:PASSWORD@HOST:PORT, or smtps:// where TLS begins at once. Over smtp://
    TLS is used where the server offers it; a password is never sent without.
    """

    url: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    timeout_s: float = TIMEOUT_S

    def send(self, message: AlertMessage) -> str:
        """Send one mail to all recipients; taken where the server takes it for one of them."""
        recipients = message.recipients or self.recipients
        try:
            mail = mail_of(message, self.sender, recipients)
            with _connected(urlsplit(self.url), self.timeout_s) as server:
                refused = server.send_message(mail, self.sender, list(recipients))
        except smtplib.SMTPRecipientsRefused:
            raise AlertChannelError("the mail server refused every recipient") from None
        # Both without the server's words: they may repeat what was sent.
        except smtplib.SMTPAuthenticationError as error:
            refused_login = f"the mail server refused the login: {error.smtp_code}"
            raise AlertChannelDownError(refused_login) from None
        except smtplib.SMTPResponseException as error:
            raise AlertChannelError(f"the mail server refused: {error.smtp_code}") from None
        except TimeoutError:
            raise AlertChannelDownError(f"no answer within {self.timeout_s:g} s") from None
        except smtplib.SMTPServerDisconnected:  # smtplib's word for a time-out, too
            raise AlertChannelDownError("the mail server ended the connection") from None
        except (smtplib.SMTPException, OSError, ValueError, MessageError) as error:
            raise AlertChannelDownError(f"does not answer: {type(error).__name__}") from None
        taken = len(recipients) - len(refused)
        return f"taken for {taken} of {len(recipients)} recipients"


def mail_of(message: AlertMessage, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """The mail; whatever an alert says, it stays within its subject and text."""
    mail = EmailMessage()
    mail["Subject"] = one_line(message.subject)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    domain = parseaddr(sender)[1].rpartition("@")[2] or "labelgate"
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    mail.set_content(message.text)
    return mail


def one_line(text: str) -> str:
    r"""A header's value: no line ends or other control characters, and not endless.

    >>> one_line("Trip\r\nBcc: all@example.com")
    'Trip Bcc: all@example.com'
    """
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= _LONGEST_SUBJECT else line[:_LONGEST_SUBJECT] + " ..."


def _connected(url: SplitResult, timeout_s: float) -> smtplib.SMTP:
    host, context = url.hostname or "", ssl.create_default_context()
    server: smtplib.SMTP
    if url.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, url.port or 465, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(host, url.port or 587, timeout=timeout_s)
    try:
        server.ehlo()
        if url.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        _log_in(server, url)
    except BaseException:
        server.close()
        raise
    return server


def _log_in(server: smtplib.SMTP, url: SplitResult) -> None:
    if url.username is None:
        return
    if not isinstance(server.sock, ssl.SSLSocket):
        raise AlertChannelDownError(
            "the mail server offers no TLS, and a password is not sent without it: use smtps://, "
            "or an address without user and password"
        )
    server.login(unquote(url.username), unquote(url.password or ""))
