"""Whether a webhook with our secret reaches us, and its row this database."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from backend.diagnosis.findings import Finding, Topic
from backend.runtime import Runtime
from backend.store.events import rehearsed
from connectors.label_studio.events import REHEARSAL_HEADER, SECRET_HEADER

TOPIC = Topic("webhook delivery")
_LOOK_S = 0.1
_CLOCKS = timedelta(minutes=15)  # the web process may run on a machine with another clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDelivery:
    """What became of a webhook that was sent here; ``arrived_after_s`` is None where it did not."""

    url: str
    status: int | None = None
    said: str = ""
    is_refused: bool = False
    arrived_after_s: float | None = None


def new_word() -> str:
    """What tells one rehearsal's webhook from another's."""
    return secrets.token_hex(16)


def headers(secret: str, word: str) -> dict[str, str]:
    """What a rehearsal's webhook carries."""
    return {SECRET_HEADER: secret, REHEARSAL_HEADER: word}


def look(runtime: Runtime, secret: str, patience_s: float = 5.0) -> SeenDelivery:
    """Send ourselves a webhook, at the public address, and wait for its row."""
    word, since = new_word(), runtime.now()
    url = f"{runtime.settings.called_url}/webhook"
    try:
        response = httpx.post(url, headers=headers(secret, word), json={}, timeout=10)
    except httpx.InvalidURL as error:
        return SeenDelivery(url=url, said=str(error))
    except httpx.HTTPError as error:
        refused = isinstance(error, httpx.ConnectError)
        return SeenDelivery(url=url, said=str(error), is_refused=refused)
    after = None
    if response.status_code == httpx.codes.CREATED:
        after = arrival(runtime, word, since, patience_s)
    return SeenDelivery(
        url=url, status=response.status_code, said=response.text[:200], arrived_after_s=after
    )


def arrival(
    runtime: Runtime,
    word: str,
    since: datetime,
    patience_s: float,
) -> float | None:
    """Seconds until the row of this word was there; None where it did not come in time."""
    began = time.monotonic()
    while True:
        with runtime.reads() as session:
            if rehearsed(session, word, since - _CLOCKS):
                return time.monotonic() - began
        if time.monotonic() - began > patience_s:
            return None
        time.sleep(_LOOK_S)


def judge(seen: SeenDelivery) -> Finding:
    """Whether what was sent here came through to the store."""
    check = "sent by ourselves"
    if seen.arrived_after_s is not None:
        return TOPIC.ok(check, f"{seen.url} took it, and its row is in the database")
    if seen.status == httpx.codes.CREATED:
        return TOPIC.failed(
            check,
            f"{seen.url} took it, but no row came into this database: the server there works with "
            "another one",
            "start `labelgate serve` and this command with the same LABELGATE_DATA_DIR and "
            "LABELGATE_DATABASE_URL",
        )
    if seen.status == httpx.codes.FORBIDDEN:
        return TOPIC.failed(
            check,
            f"{seen.url} refuses our secret: the server there was started with another",
            "start `labelgate serve` and this command with the same LABELGATE_DATA_DIR and "
            "LABELGATE_WEBHOOK_SECRET, then run `labelgate connect` again",
        )
    if seen.status is not None:
        return TOPIC.failed(
            check,
            f"{seen.url} answers {seen.status}: {seen.said}",
            "start the Labelgate that is installed here: `labelgate serve`; another program, or an "
            "older version, may have the address",
        )
    if seen.is_refused:
        return TOPIC.failed(
            check,
            f"{seen.url} cannot be reached from here ({seen.said})",
            "labelgate serve; where only Label Studio can reach that address: labelgate doctor "
            "--deep, which lets it",
        )
    return TOPIC.failed(
        check, f"{seen.url} does not answer: {seen.said}", "look at the log of `labelgate serve`"
    )
