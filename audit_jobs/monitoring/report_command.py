"""``labelgate inferences report``: how often a project's deployed models are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit_jobs.documents.options import in_any_form
from audit_jobs.documents.stored import stored_report
from audit_jobs.documents.tables import print_report
from audit_jobs.monitoring.tables import monitoring_tables
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.reports import MONITORING, newest_report


@click.command()
@click.option("--project", required=True, help="Number or title of a connected project.")
@in_any_form()
@clear_errors
def report(project: str, kind: str | None, out: Path | None) -> None:
    """Tell how often a project's deployed models are right: over time, by version, class and slice.

    With it whether one of them gets worse, and whether what they are asked has changed. It is what
    the job `monitoring` last found; every figure has its interval and what it rests on.

    Example: labelgate inferences report --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    found = _report(runtime, connected)
    title = f"{connected.title}: accuracy in production"
    print_report(found, monitoring_tables(found), title, kind=kind, out=out)


def _report(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    with runtime.reads() as session:
        stored = newest_report(session, project.id, MONITORING)
    if stored is None:
        raise click.ClickException(
            f"project {project.id} has no report of deployed models yet: hand in what they answer "
            f"(`labelgate inferences token`), then run `labelgate scheduler`, or `labelgate jobs "
            f"run monitoring --project {project.id}`"
        )
    return stored_report(project, stored)
