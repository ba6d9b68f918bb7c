"""``labelgate jobs run``."""

from __future__ import annotations

import click

from audit_jobs.job_names import NAMES
from audit_jobs.running import JobFailedError, run_job
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell_json
from backend.commands.progress import progress
from backend.store.projects import all_projects


@click.command()
@click.argument("name", type=click.Choice(sorted(NAMES)))
@click.option("--project", type=int, help="Number of one project; default: all connected ones.")
@click.option("--request", type=int, hidden=True, help="The request of a page that it carries out.")
@clear_errors
def run(name: str, project: int | None, request: int | None) -> None:
    """Run the job NAME once and print its report, one line of JSON a project.

    Example: labelgate jobs run sync --project 3
    """
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        projects = [p for p in all_projects(session) if project in (None, p.id)]
    if not projects:
        raise click.ClickException(
            "no such project is connected: see labelgate connect, and `labelgate doctor`"
        )
    for connected in projects:
        try:
            with progress(f"{name} of project {connected.id}"):
                report = run_job(runtime, name, connected, request)
        except JobFailedError as error:
            raise click.ClickException(str(error)) from error
        tell_json({"project": connected.id, "job": name, **report})
