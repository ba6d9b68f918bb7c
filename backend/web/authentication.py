"""Who may ask: whoever signed in, programs with a password or a token, or this machine alone.

Every route is one of four: open, with a check of its own, for Label Studio, or for visitors whose
role it names by ``access.needs``. One that is none of them is for admins.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response

from backend.comparison import same
from backend.runtime import Runtime
from backend.secret_files import require_webhook_secret
from backend.serving import ProjectNotConnectedError
from backend.settings import Settings
from backend.store.inference_tokens import token_owner
from backend.store.projects import ConnectedProject, active_project
from backend.web import visitors
from backend.web.access import Need, Role, Visitor, need_of
from backend.web.binding import LOOPBACK
from backend.web.errors import BASIC, RequestError, wants_page
from backend.web.forgery import require_own_form
from backend.web.proving import looked_at
from backend.web.state import web
from connectors.destinations import is_in, networks_of
from connectors.label_studio.events import SECRET_HEADER

_BEARER = 'Bearer realm="labelgate"'
# Label Studio gives the health check one second, probes of containers ask by any name, and neither
# learns anything of the data.
PROBES = frozenset({"ml_api.health", "readiness.show"})
# The looks of the pages are the same for everybody, and whoever has yet to sign in must see them.
OPEN = PROBES | {"static"}
# Pages for whoever is not signed in yet.
DOORS = frozenset({"sign_in.page", "sign_in.enter", "share.open_link"})
# A secret, or a token, instead of a password: see ``require_sender`` and ``require_token``.
_WEBHOOK = "webhook.receive"
OWN_CHECK = frozenset({_WEBHOOK, "inference_api.take"})
# What Label Studio asks. It knows the password of the settings or nothing, never an account.
LABEL_STUDIO = frozenset({"ml_api.setup", "ml_api.predict", "ml_api.versions"})
# Senders that prove themselves with every request; no rate is asked of those that did.
SENDERS = LABEL_STUDIO | OWN_CHECK
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def authenticate() -> Response | None:
    """Runs before every request. Raises ``RequestError`` (401, 403, 404, 410, 421, 429)."""
    endpoint = request.endpoint
    if endpoint in PROBES:
        return None
    settings = web().runtime.settings
    _require_welcome(endpoint, settings)
    if endpoint in OPEN:
        return None
    if endpoint in DOORS:
        g.visitor = visitors.present(web().runtime)
    elif endpoint in LABEL_STUDIO:
        if settings.credentials is not None:
            _require_password(settings.credentials)
    elif endpoint not in OWN_CHECK:
        found = visitors.present(web().runtime)
        if found is None:
            return _ask_to_sign_in(web().runtime)
        g.visitor = found
        _require_need(found)
    _require_no_foreign_page(settings)
    if endpoint not in DOORS | LABEL_STUDIO | OWN_CHECK and request.method not in _SAFE:
        require_own_form()
    return None


def require_sender(settings: Settings) -> bool:
    """Whether the webhook's sender proved itself, by secret or password.

    False where it brought neither and none is configured: then only what is harmless may pass.
    Raises ``RequestError`` (401, 403) where what it brought is wrong, or missing.
    """
    secret = request.headers.get(SECRET_HEADER)
    if secret is not None:
        right = require_webhook_secret(settings)
        if looked_at("webhook's secret", lambda: True if same(secret, right) else None):
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
        owner = looked_at("model's token", lambda: token_owner(session, token))
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


def _ask_to_sign_in(runtime: Runtime) -> Response:
    """A browser is led to the page for it; a program is told what to send."""
    settings = runtime.settings
    session = visitors.present_session()
    if session is not None and session.link is not None:
        raise visitors.link_is_over(session.link, session.link.state(runtime.now()))
    if wants_page():
        wanted = request.full_path.removesuffix("?") if request.method in _SAFE else None
        return redirect(url_for("sign_in.page", next=wanted), 303)
    ways = "a token of `labelgate accounts token` as `Authorization: Bearer TOKEN`"
    if settings.credentials is not None:
        ways = f"LABELGATE_USERNAME and LABELGATE_PASSWORD by basic authentication, or {ways}"
    challenge = BASIC if settings.credentials is not None else _BEARER
    raise RequestError(401, "credentials_needed", f"send {ways}", challenge=challenge)


def _require_need(found: Visitor) -> None:
    """The visitor's role, and that the project is one that it may see."""
    if request.endpoint is None:
        return  # there is no such route: that is what a visitor is told
    need = need_of(current_app.view_functions.get(request.endpoint)) or Need(role=Role.ADMIN)
    if found.role < need.role:
        raise RequestError(
            403,
            "admin_needed",
            f"{found.name} may look, and this takes an admin: sign in as one, or ask one to do it",
        )
    if found.projects is None or need.for_all:
        return
    project_id = (request.view_args or {}).get("project_id")
    if project_id is None or not found.sees(project_id):
        raise RequestError(404, "not_shared", "there is nothing here for whoever has this link")


def _require_password(credentials: tuple[str, str]) -> None:
    if not visitors.is_settings_user(credentials):
        raise RequestError(
            401,
            "credentials_needed",
            "send LABELGATE_USERNAME and LABELGATE_PASSWORD by basic authentication",
        )


def _require_welcome(endpoint: str | None, settings: Settings) -> None:
    """What is asked of a request before anybody looks at whom it is from."""
    if settings.credentials is None:
        _require_own_host(settings)
    if endpoint in LABEL_STUDIO | {_WEBHOOK}:
        _require_own_network(settings)
    elif endpoint not in SENDERS:
        _require_room()


def _require_own_network(settings: Settings) -> None:
    """Where the admin says where Label Studio is, its requests come from there."""
    networks = networks_of(settings.label_studio_networks)
    if networks and not is_in(networks, request.remote_addr or ""):
        raise RequestError(
            403,
            "foreign_network",
            f"{request.remote_addr} is none of LABELGATE_LABEL_STUDIO_NETWORKS",
        )


def _require_room() -> None:
    wait_s = web().rates.wait(request.remote_addr or "")
    if wait_s:
        raise RequestError(
            429, "too_many_requests", f"too many requests: again in {wait_s} s", wait_s=wait_s
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
