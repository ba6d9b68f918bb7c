"""``labelgate serve``: all processes on one machine, started and stopped together."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

import click

from backend.bootstrap import read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell
from backend.supervision import Program, Supervisor
from backend.web.binding import require_safe_binding


@click.command()
@clear_errors
def serve() -> None:
    """Run the web server and the scheduler until stopped (Ctrl-C or SIGTERM).

    And a worker, where LABELGATE_REDIS_URL is set.

    Example: labelgate serve
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    settings = read_settings()
    require_safe_binding(settings)
    names = ["web", "scheduler"] if settings.redis_url is None else ["web", "scheduler", "worker"]
    supervisor = Supervisor([_program(name) for name in names])

    def stop(_signal: int, _frame: FrameType | None) -> None:
        supervisor.stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    tell(f"Labelgate: {settings.own_url}   Label Studio: {settings.label_studio_url}")
    code = supervisor.run()
    if code:
        sys.exit(code)


def _program(name: str) -> Program:
    command = (sys.executable, "-m", "backend.commands.attached", name)
    return Program(name=name, command=command)
