"""``labelgate ready`` and ``labelgate migrate``: what container platforms ask, and do first."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click
import httpx
from sqlalchemy.exc import OperationalError

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell, tell_json
from backend.commands.progress import progress
from backend.readiness import Readiness, look
from backend.settings import Settings
from backend.store.schema import migrate as bring_up

_PAUSE_S = 1.0
_ASKING_S = 5.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # listened on, not bound here

_waits = click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Try again for so long where it is not.",
)


@click.command()
@click.option("--web", "asks_web", is_flag=True, help="Ask the web process of this machine.")
@_waits
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def ready(*, asks_web: bool, wait_s: float, as_json: bool) -> None:
    """Say whether a process can work: the database answers, at the schema of this program.

    Ends with 0 where it is so, else with 1: a probe for containers.

    Example: labelgate ready --wait 60
    """
    settings = read_settings()
    if asks_web:
        seen = _patiently(lambda: _asked(settings), wait_s)
    else:
        runtime = build_runtime(settings, migrates=False)
        seen = _patiently(lambda: look(runtime.reads), wait_s)
    if as_json:
        tell_json({"ready": seen.is_ready, "schema": seen.schema, "problem": seen.problem})
    else:
        tell(f"ready, schema {seen.schema}" if seen.is_ready else f"not ready: {seen.problem}")
    sys.exit(0 if seen.is_ready else 1)


@click.command()
@_waits
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def migrate(*, wait_s: float, as_json: bool) -> None:
    """Bring the database to the newest schema, and end.

    Every other start does so too, unless LABELGATE_MIGRATE_AT_START=false says that this is done
    once, before the new version starts. Harmless where there is nothing to do.

    Example: labelgate migrate --wait 120
    """
    runtime = build_runtime(read_settings(), migrates=False)
    engine = runtime.sessions.kw["bind"]
    ends = time.monotonic() + wait_s
    with progress("migrating"):
        while True:
            try:
                bring_up(engine)
                break
            except OperationalError:  # not there yet
                if time.monotonic() + _PAUSE_S > ends:
                    raise
                time.sleep(_PAUSE_S)
    seen = look(runtime.reads)
    if as_json:
        tell_json({"schema": seen.schema})
    else:
        tell(f"the database has schema {seen.schema}, the newest")


def _patiently(looks: Callable[[], Readiness], wait_s: float) -> Readiness:
    ends = time.monotonic() + wait_s
    with progress("waiting"):
        while not (seen := looks()).is_ready and time.monotonic() + _PAUSE_S <= ends:
            time.sleep(_PAUSE_S)
    return seen


def _asked(settings: Settings) -> Readiness:
    """What the web process of this machine says of itself."""
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    try:
        answer = httpx.get(f"http://{host}:{settings.port}/ready", timeout=_ASKING_S)
        said = answer.json()
    except (httpx.HTTPError, ValueError):
        return Readiness(problem=f"nothing of Labelgate answers on port {settings.port}")
    if answer.is_success:
        return Readiness(schema=said.get("schema"))
    return Readiness(problem=said.get("error", {}).get("message") or f"status {answer.status_code}")
