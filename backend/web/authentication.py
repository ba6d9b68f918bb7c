"""Who may ask: by password, by the webhooks' secret, or without either from this machine alone."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import request

from backend.settings import LOOPBACK, Settings
from backend.web.errors import RequestError
from backend.web.state import web

SECRET_HEADER = "X-Labelgate-Secret"  # noqa: S105 - a name, not a secret
_OPEN = {"ml_api.health"}  # Label Studio gives it one second; it says nothing of the data
_OWN_CHECK = {"webhook.receive"}  # a secret instead of a password: see ``require_sender``


def authenticate() -> None:
    """Runs before every request. Raises ``RequestError`` (401, 403, 421)."""
    if request.endpoint in _OPEN:
        return
    settings = web().runtime.settings
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
