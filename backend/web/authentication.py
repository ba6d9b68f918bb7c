"""Who may ask: by password, by the webhooks' secret, by a project's token, or from this machine."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import g, request

from backend.runtime import Runtime
from backend.serving import ProjectNotConnectedError
from backend.settings import LOOPBACK, Settings
from backend.store.inference_tokens import token_owner
from backend.store.projects import ConnectedProject, active_project
from backend.web.access import Role, Visitor
from backend.web.errors import RequestError
from backend.web.state import web
from connectors.label_studio.events import SECRET_HEADER

_BEARER = 'Bearer realm="labelgate"'
_OPEN = {"ml_api.health"}  # Label Studio gives it one second; it says nothing of the data
# A secret, or a token, instead of a password: see ``require_sender`` and ``require_token``.
_OWN_CHECK = {"webhook.receive", "inference_api.take"}


def authenticate() -> None:
    """Runs before every request. Raises ``RequestError`` (401, 403, 421)."""
    if request.endpoint in _OPEN:
        return
    settings = web().runtime.settings
    g.visitor = Visitor(name=settings.username or "this machine", role=Role.ADMIN)
    if settings.credentials is None:
        _require_own_host(settings)
    if request.endpoint not in _OWN_CHECK and settings.credentials is not None:
        _require_password(settings.credentials)
    _require_no_foreign_page(settings)


def require_sender(settings: Settings) -> bool:
    """Whether the webhook's sender proved itself, by secret or password.

    False where it brought neither and none is configured: then only what is harmless may pass.
    Raises ``RequestError`` (401, 403) where what it brought is wrong, or missing.
    """
    secret = request.headers.get(SECRET_HEADER)
    if secret is not None:
        if _equal(secret, settings.require_webhook_secret()):
            return True
        raise RequestError(
            403,
            "wrong_secret",
            f"the header {SECRET_HEADER} does not match: run `labelgate connect` again, it writes "
            "the present secret into Label Studio's webhook",
        )
    if settings.credentials is None:
        return False
    _require_password(settings.credentials)
    return True


def require_token(runtime: Runtime) -> ConnectedProject:
    """The project whose token the request carries; no password is needed, and none suffices.

    Raises ``RequestError`` (401) without a valid token, ``ProjectNotConnectedError`` where its
    project was disconnected.
    """
    given = request.authorization
    token = given.token if given is not None and given.type == "bearer" else None
    way_out = (
        "send `Authorization: Bearer TOKEN` with a token that `labelgate inferences token "
        "--project P` made"
    )
    if not token:
        raise RequestError(401, "token_needed", way_out, challenge=_BEARER)
    with runtime.reads() as session:
        owner = token_owner(session, token)
        if owner is None:
            message = f"the token is nobody's: {way_out}"
            raise RequestError(401, "wrong_token", message, challenge=_BEARER)
        if owner.revoked:
            message = f"the token was taken back: {way_out}"
            raise RequestError(401, "token_revoked", message, challenge=_BEARER)
        project = active_project(session, owner.project_id)
    if project is None:
        raise ProjectNotConnectedError(
            f"the token's project {owner.project_id} is not connected any more: run "
            f"`labelgate connect --project {owner.project_id} --policy FILE`"
        )
    return project


def _require_password(credentials: tuple[str, str]) -> None:
    given = request.authorization
    username, password = "", ""
    if given is not None and given.type == "basic":
        username, password = given.username or "", given.password or ""
    # Both are compared, so that the time taken does not say which of them was wrong.
    right = [_equal(username, credentials[0]), _equal(password, credentials[1])]
    if not all(right):
        raise RequestError(
            401,
            "credentials_needed",
            "send LABELGATE_USERNAME and LABELGATE_PASSWORD by basic authentication",
        )


def _require_own_host(settings: Settings) -> None:
    """Without a password, a web page that renames itself to 127.0.0.1 must not get in."""
    if _host_of(f"//{request.host}") not in _own_hosts(settings):
        raise RequestError(
            421,
            "wrong_host",
            f"this server is not {request.host[:80]!r}: ask for {settings.own_url}, or set "
            "LABELGATE_PUBLIC_URL to the address that is used",
        )


def _require_no_foreign_page(settings: Settings) -> None:
    """Another site's page must not post through a reviewer's browser; programs send no Origin."""
    origin = request.headers.get("Origin")
    if origin is None or request.method in {"GET", "HEAD"}:
        return
    if _host_of(origin) not in {*_own_hosts(settings), _host_of(f"//{request.host}")}:
        raise RequestError(403, "foreign_origin", f"requests from {origin[:80]!r} are not taken")


def _own_hosts(settings: Settings) -> set[str | None]:
    return {*LOOPBACK, settings.host, _host_of(settings.own_url)}


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # "[" without "]"
        return None


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode("utf-8", "replace"))
