"""Alerts by HTTP: for Slack and what understands its format, and signed for other programs."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import orjson

from connectors.alerts.channel import AlertChannelDownError, AlertChannelError, AlertMessage
from connectors.destinations import (
    SETTLED,
    DestinationRefusedError,
    Destinations,
)
from connectors.judged_transport import transport_to

TIMEOUT_S = 10.0
SIGNATURE, MESSAGE_ID = "X-Labelgate-Signature", "X-Labelgate-Id"
_SHOWN = 200  # characters of a refusal that are told
_LONGEST_TEXT = 30_000  # Slack cuts a text at 40,000 characters, in the middle of a word


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackWebhook:
    """An incoming webhook of Slack, Mattermost, Rocket.Chat or any other that takes ``text``."""

    url: str = field(repr=False)
    timeout_s: float = TIMEOUT_S
    destinations: Destinations = SETTLED

    def send(self, message: AlertMessage) -> str:
        """Post the text; its address is the secret, so it stands in no error."""
        text = message.text
        if len(text) > _LONGEST_TEXT:
            text = text[:_LONGEST_TEXT] + " ..."
        body = orjson.dumps({"text": escaped(text)})
        return _post(self, body, {MESSAGE_ID: message.id})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWebhook:
    """A webhook that gets the alert as JSON, signed with a secret that both sides know."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float = TIMEOUT_S
    destinations: Destinations = SETTLED
    clock: Callable[[], float] = time.time

    def send(self, message: AlertMessage) -> str:
        """Post the payload with its signature; the signature's time is that of this try."""
        body = orjson.dumps({"id": message.id, **message.payload})
        headers = {
            MESSAGE_ID: message.id,
            SIGNATURE: signature(self.secret, int(self.clock()), body),
        }
        return _post(self, body, headers)


def escaped(text: str) -> str:
    """The three characters that mean something to Slack, harmless.

    >>> escaped("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature(secret: str, sent_at: int, body: bytes) -> str:
    """The header's value: when it was sent, and HMAC-SHA256 of time and body under the secret.

    >>> signature("secret", 1700000000, b"{}")[:23]
    't=1700000000,v1=b8569b7'
    """
    signed = hmac.new(secret.encode(), f"{sent_at}.".encode() + body, hashlib.sha256)
    return f"t={sent_at},v1={signed.hexdigest()}"


def _post(webhook: SlackWebhook | SignedWebhook, body: bytes, headers: Mapping[str, str]) -> str:
    # The transport itself instead of a client: a client logs the address of every request, which
    # is a secret here. Redirects are not followed, and of an answer no more than a bit is read.
    timeout_s = webhook.timeout_s
    limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
    try:
        request = httpx.Request(
            "POST",
            webhook.url,
            content=body,
            headers={"Content-Type": "application/json", "User-Agent": "labelgate", **headers},
            extensions={"timeout": limits},
        )
        with transport_to(webhook.url, webhook.destinations) as transport:
            response = transport.handle_request(request)
            try:
                return _told(request.url, response)
            finally:
                response.close()
    except DestinationRefusedError as error:
        raise AlertChannelDownError(str(error)) from None
    except httpx.TimeoutException:
        raise AlertChannelDownError(f"no answer within {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # Without its text: that may hold the address.
        raise AlertChannelDownError(f"does not answer: {type(error).__name__}") from None


def _told(url: httpx.URL, response: httpx.Response) -> str:
    if response.is_success:
        return f"answered {response.status_code}"
    if response.has_redirect_location:
        raise AlertChannelError(
            f"answered {response.status_code}: redirects are not followed, name the final address"
        )
    busy = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    failed = AlertChannelDownError if busy else AlertChannelError
    raise failed(f"answered {response.status_code}{_why(url, response)}")


def _why(url: httpx.URL, response: httpx.Response) -> str:
    """The beginning of a refusal, unless it repeats a part of the address."""
    try:
        start = next(iter(response.stream), b"")[:_SHOWN]  # type: ignore[arg-type] # a sync one
    except httpx.HTTPError:
        return ""
    words = " ".join(start.decode(errors="replace").split())
    parts = re.findall(r"[\w-]{4,}", f"{url.path} {url.query.decode()} {url.username}")
    repeats = any(part in words for part in (*parts, url.password) if part)
    return "" if repeats or not words.isprintable() or not words else f": {words}"
