"""``labelgate web``: the HTTP server in this process."""

from __future__ import annotations

import logging

import click

from backend.app import create_app
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell
from backend.secret_files import require_webhook_secret
from backend.web import server
from backend.web.binding import require_safe_binding


@click.command()
@clear_errors
def web() -> None:
    """Answer Label Studio: the ML backend, its webhooks, and the page for people.

    Example: labelgate web
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # its every start is no news
    logging.getLogger("httpx").setLevel(logging.WARNING)  # nor is a model server's every answer
    settings = read_settings()
    require_safe_binding(settings)
    listener = server.listen(settings.host, settings.port)
    runtime = build_runtime(settings, encodes=False)
    # The workers are forked from this process: they must open connections of their own.
    runtime.sessions.kw["bind"].dispose()
    require_webhook_secret(settings)  # made now, so that `labelgate connect` can hand it on
    tell(f"Labelgate listens on {settings.own_url}")
    server.run(create_app(runtime), listener, settings.web_threads)
