"""The web application: blueprints, one shape of errors, who may ask, and safe headers."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import orjson
from flask import Flask, Request, Response, g, request
from flask.json.provider import JSONProvider
from werkzeug.datastructures import Authorization
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.utils import cached_property

from backend.inferences.turns import Turns
from backend.readiness import Lookout, look
from backend.runtime import Runtime
from backend.serving import Snapshots
from backend.store.engine import for_lone_statements
from backend.web import (
    authentication,
    errors,
    figure_words,
    forgery,
    inference_api,
    ml_api,
    numbers,
    readiness,
    reward_api,
    training_api,
    webhook,
)
from backend.web.attempts import Attempts
from backend.web.metrics import Metrics
from backend.web.openapi import view as openapi
from backend.web.pages import (
    account,
    decisions,
    jobs,
    models_page,
    overview,
    policy_draft,
    policy_page,
    project,
    projects,
    share,
    share_links,
    sign_in,
)
from backend.web.proofs import Proofs
from backend.web.rates import Rates
from backend.web.state import NAME, Web, web

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Pages of this server alone learn where one came from. With "no-referrer" browsers would send
    # its own forms with `Origin: null`, as they send those of strangers.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

# Where the public address says so; the proxy that speaks HTTPS may say it differently.
_ONLY_HTTPS = "max-age=31536000"


class _OrjsonProvider(JSONProvider):
    """Flask's JSON through orjson: several times faster on large batches."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        del kwargs
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        del kwargs
        return orjson.loads(s)


class _Request(Request):
    """Flask's, where a header that says nothing is no proof, and no error."""

    @cached_property
    def authorization(self) -> Authorization | None:
        """What the header ``Authorization`` says.

        None too where Werkzeug (3.1) raises: for basic authentication in other letters than ASCII.
        """
        try:
            return super().authorization
        except ValueError:
            return None


def create_app(runtime: Runtime) -> Flask:
    """The app on this runtime. Touches neither the database nor Label Studio."""
    app = Flask("backend.web")
    app.json = _OrjsonProvider(app)
    app.request_class = _Request
    app.config["MAX_CONTENT_LENGTH"] = runtime.settings.max_body_mb * 1_000_000
    app.extensions[NAME] = Web(
        runtime=runtime,
        lone_reads=for_lone_statements(runtime.reads),
        snapshots=Snapshots(runtime),
        metrics=Metrics(runtime),
        # At most half of the threads are held by inferences: webhooks find a free one.
        turns=Turns(waiting=max(1, runtime.settings.web_threads // 2) - 1),
        password_turns=Turns(waiting=runtime.settings.web_threads // 4),
        attempts=Attempts(runtime.now),
        proofs=Proofs(runtime.now),
        rates=Rates(runtime.settings.rate_limit),
        lookout=Lookout(lambda: look(runtime.reads)),
    )

    if runtime.settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # Flask documents it as the way
            app.wsgi_app, x_for=runtime.settings.proxies, x_proto=0, x_host=0
        )
    errors.register(app)
    numbers.register(app)
    figure_words.register(app)
    app.jinja_env.globals["labelgate_version"] = version("labelgate")
    app.context_processor(_visitor)
    app.before_request(_start)
    app.before_request(authentication.authenticate)
    app.before_request(numbers.require_project_number)
    app.after_request(_finish)
    for blueprint in (
        ml_api.blueprint,
        webhook.blueprint,
        inference_api.blueprint,
        training_api.blueprint,
        reward_api.blueprint,
        readiness.blueprint,
        openapi.blueprint,
        overview.blueprint,
        projects.blueprint,
        project.blueprint,
        decisions.blueprint,
        models_page.blueprint,
        policy_page.blueprint,
        policy_draft.blueprint,
        jobs.blueprint,
        sign_in.blueprint,
        share.blueprint,
        account.blueprint,
        share_links.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app


def _visitor() -> dict[str, Any]:
    """What every template knows of who asks; nobody on pages that are open."""
    return {"visitor": g.get("visitor"), "csrf_field": forgery.csrf_field}


def _start() -> None:
    g.started = time.perf_counter()


def _finish(response: Response) -> Response:
    given = {name.lower() for name, _ in response.headers}  # one by one each is looked for in all
    response.headers.extend([each for each in _HEADERS.items() if each[0].lower() not in given])
    if web().runtime.settings.own_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", _ONLY_HTTPS)
    route = request.url_rule.rule if request.url_rule is not None else None
    seconds = time.perf_counter() - g.started
    web().metrics.observe(request.method, route, response.status_code, seconds)
    return response
