"""What can be seen of a Label Studio server without changing anything in it: for diagnoses.

Everything here answers with what it saw, a refusal included: that a token is refused is what was
asked for, and no reason to stop.
"""

from __future__ import annotations

import base64
import binascii
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx
import orjson

from connectors.annotation_tool import AnnotationToolError, AnnotationToolRefusedError
from connectors.label_studio.connection import Connection, NotFoundError
from connectors.label_studio.events import SECRET_HEADER
from connectors.label_studio.provisioning import BACKEND_TITLE
from connectors.label_studio.task_lists import rows_of

# A choice that Label Studio does not have: whatever it is asked to make with it, it makes nothing.
_NO_SUCH_CHOICE = "LABELGATE_DOCTOR_ASKS"


class Trouble(StrEnum):
    """Why nobody answered."""

    NAME = "its name is unknown"
    REFUSED = "nothing listens there"
    TLS = "TLS failed"
    SLOW = "no answer in time"
    OTHER = "the connection failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What an address answers to whoever asks for its version, without any token.

    ``ahead_s`` is by how much its clock is ahead of ours (negative: behind); None where it did not
    say. ``trouble`` and ``said`` tell why there was no answer.
    """

    url: str
    status: int | None = None
    release: str | None = None
    moved_to: str | None = None
    ahead_s: float | None = None
    trouble: Trouble | None = None
    said: str = ""


def greet(url: str, now: Callable[[], datetime], timeout_s: float = 10.0) -> Greeting:
    """Ask an address for Label Studio's version; redirects are told, not followed."""
    asked = now()
    try:
        response = httpx.get(f"{url}/api/version", timeout=timeout_s, follow_redirects=False)
    except httpx.InvalidURL as error:
        return Greeting(url=url, trouble=Trouble.NAME, said=str(error))
    except httpx.HTTPError as error:
        return Greeting(url=url, trouble=_trouble(error), said=str(error))
    middle = asked + (now() - asked) / 2
    return Greeting(
        url=url,
        status=response.status_code,
        release=_release(response),
        moved_to=response.headers.get("location") if response.is_redirect else None,
        ahead_s=_ahead(response.headers.get("date"), middle),
    )


def _trouble(error: httpx.HTTPError) -> Trouble:
    causes = list(_causes(error))
    if isinstance(error, httpx.TimeoutException):
        return Trouble.SLOW
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Trouble.TLS
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Trouble.NAME
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Trouble.REFUSED
    return Trouble.OTHER


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _release(response: httpx.Response) -> str | None:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    release = body.get("release") if isinstance(body, dict) else None
    return release if isinstance(release, str) else None


def _ahead(date: str | None, now: datetime) -> float | None:
    """Seconds by which a Date header is ahead; it names whole seconds, so half of one is added."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return (theirs - now).total_seconds() + 0.5


class TokenKind(StrEnum):
    """The two kinds of token that a user of Label Studio can have."""

    LEGACY = "legacy token"
    PERSONAL = "personal access token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose token it is, where it was taken; ``refused`` or ``unanswered`` says why not.

    ``permissions`` is what Label Studio lists of the user's; empty where it lists nothing.
    """

    kind: TokenKind
    user_id: int | None = None
    email: str = ""
    permissions: frozenset[str] = frozenset()
    refused: str | None = None
    unanswered: str | None = None


def bearer_of(url: str, token: str, setting: str) -> Bearer:
    """Show a token to Label Studio; ``setting`` is the variable that it stands in."""
    kind = kind_of(token)
    try:
        user = Connection(url, token, setting=setting, timeout_s=20).get("/api/current-user/whoami")
    except AnnotationToolRefusedError as error:
        return Bearer(kind=kind, refused=str(error))
    except AnnotationToolError as error:
        return Bearer(kind=kind, unanswered=str(error))
    match user:
        case {"id": int(user_id)}:
            return Bearer(
                kind=kind,
                user_id=user_id,
                email=str(user.get("email", "")),
                permissions=frozenset(map(str, user.get("permissions") or ())),
            )
    return Bearer(kind=kind, unanswered=f"no user in the answer: {user!r:.200}")


def kind_of(token: str) -> TokenKind:
    """A personal access token is a JSON web token; everything else is a legacy one."""
    parts = token.split(".")
    if len(parts) != 3:
        return TokenKind.LEGACY
    try:
        head = orjson.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, ValueError):
        return TokenKind.LEGACY
    return TokenKind.PERSONAL if isinstance(head, dict) else TokenKind.LEGACY


def takes_legacy_tokens(admin: Connection) -> bool | None:
    """Whether the organisation takes legacy tokens; None where the server does not tell."""
    try:
        rules = admin.get("/api/jwt/settings")
    except AnnotationToolRefusedError:  # an older server, or a user who may not see it
        return None
    allowed = rules.get("legacy_api_tokens_enabled") if isinstance(rules, dict) else None
    return allowed if isinstance(allowed, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What Label Studio says against an address of Labelgate; None: it would take it."""

    webhooks: str | None
    backends: str | None


def guards_against(admin: Connection, url: str) -> Guards:
    """Whether Label Studio's guards against local addresses refuse this one.

    It looks at an address before it looks at the rest, and the rest is wrong on purpose: nothing is
    made either way.
    """
    return Guards(
        webhooks=_refusal(
            admin, "/api/webhooks/", {"url": f"{url}/webhook", "actions": [_NO_SUCH_CHOICE]}
        ),
        backends=_refusal(admin, "/api/ml/", {"url": url, "auth_method": _NO_SUCH_CHOICE}),
    )


def _refusal(admin: Connection, path: str, body: Mapping[str, Any]) -> str | None:
    try:
        admin.once("POST", path, body)
    except AnnotationToolRefusedError as error:
        return str(error) if "network address" in str(error) else None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingBackend:
    """An ML backend as Label Studio has it; asking for it lets Label Studio ask its health."""

    url: str
    title: str
    state: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingWebhook:
    """A webhook that carries a secret of Labelgate's."""

    url: str
    is_active: bool
    secret: str
    actions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingWiring:
    """What of Labelgate stands in a project; ``is_gone`` where there is no such project."""

    backends: tuple[StandingBackend, ...] = ()
    webhooks: tuple[StandingWebhook, ...] = ()
    is_gone: bool = False


def wiring_in(admin: Connection, project_id: int) -> StandingWiring:
    """Read a project's ML backends and webhooks; an ``AnnotationToolError`` where it cannot be."""
    asked = {"project": project_id}
    try:
        backends = rows_of(admin.get("/api/ml/", asked), "ML backends")
        webhooks = rows_of(admin.get("/api/webhooks/", asked), "webhooks")
    except NotFoundError:
        return StandingWiring(is_gone=True)
    return StandingWiring(
        backends=tuple(
            StandingBackend(
                url=str(row["url"]).rstrip("/"),
                title=str(row["title"]),
                state=str(row.get("readable_state") or row.get("state")),
                error=str(row.get("error_message") or ""),
            )
            for row in backends
            if row["title"] == BACKEND_TITLE
        ),
        webhooks=tuple(
            StandingWebhook(
                url=str(row["url"]),
                is_active=bool(row["is_active"]),
                secret=str(row["headers"][SECRET_HEADER]),
                actions=frozenset(row["actions"] or ()),
            )
            for row in webhooks
            if SECRET_HEADER in (row["headers"] or {})
        ),
    )


def reads_projects(admin: Connection) -> str | None:
    """Why the projects cannot be listed; None where they can."""
    try:
        admin.get("/api/projects/", {"page_size": 1, "include": "id,title"})
    except AnnotationToolError as error:
        return str(error)
    return None
