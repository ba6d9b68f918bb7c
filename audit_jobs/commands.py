"""``labelgate jobs`` and ``labelgate scheduler``."""

from __future__ import annotations

import logging
import signal
from types import FrameType

import click
import orjson

from audit_jobs.jobs import JOBS
from audit_jobs.running import JobFailedError, run_job
from audit_jobs.schedule import build_scheduler
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.store.job_runs import recent_runs
from backend.store.projects import all_projects


@click.group()
def jobs() -> None:
    """The scheduled jobs, run by hand."""


@jobs.command(name="list")
def list_jobs() -> None:
    """Name every job."""
    for name in JOBS:
        click.echo(name)


@jobs.command()
@click.argument("name", type=click.Choice(sorted(JOBS)))
@click.option("--project", type=int, help="Number of one project; default: all connected ones.")
@click.option("--request", type=int, hidden=True, help="The request of a page that it carries out.")
@clear_errors
def run(name: str, project: int | None, request: int | None) -> None:
    """Run the job NAME once and print its report."""
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        projects = [p for p in all_projects(session) if project in (None, p.id)]
    if not projects:
        raise click.ClickException("no such project is connected: see labelgate connect")
    for connected in projects:
        try:
            report = run_job(runtime, name, connected, request)
        except JobFailedError as error:
            raise click.ClickException(str(error)) from error
        click.echo(orjson.dumps({"project": connected.id, "job": name, **report}))


@jobs.command()
@click.option("--limit", default=20, show_default=True, help="How many.")
@clear_errors
def log(limit: int) -> None:
    """Show the last runs."""
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        for entry in recent_runs(session, limit):
            said = entry.error or orjson.dumps(entry.report).decode()
            outcome = entry.outcome or "not ended"
            click.echo(f"{entry.started_at:%Y-%m-%d %H:%M:%S}  {entry.job:<10} {outcome}  {said}")


@click.command()
@clear_errors
def scheduler() -> None:
    """Run the jobs on their schedule until stopped; one process for all projects."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    # A round that takes longer than the watch interval is normal, and no warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    running = build_scheduler(build_runtime(read_settings()))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        running.shutdown(wait=False)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    running.start()
