"""``labelgate report``: the six figures of a project, its cost, and what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from audit_jobs.documents.options import in_any_form
from audit_jobs.documents.stored import stored_report, told
from audit_jobs.documents.tables import print_report
from audit_jobs.figures.incidents import incidents
from audit_jobs.figures.report import tables
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.runtime import Runtime
from backend.store.projects import ConnectedProject
from backend.store.reports import FIGURES, MONITORING, newest_report


@click.command()
@click.option("--project", required=True, help="Number or title of a connected project.")
@in_any_form
@clear_errors
def report(project: str, kind: str | None, out: Path | None) -> None:
    """Tell how a project's loop does: six figures, now, by week and by model version.

    What a human label is worth by the strategy that asked for it, the correction rate, the audit
    pass rate, the time that a loop takes, agreement on the routed queue, and drift; how often
    deployed models are right, where some are watched; then the cost against all by hand, and the
    incidents: breakers that tripped, recalls, thresholds that moved.
    Every figure has its interval and what it rests on; one that is undefined is null in JSON.

    Example: labelgate report --project 3 --out report.html
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    found = _report(runtime, connected)
    print_report(found, tables(found), f"{connected.title}: report", kind=kind, out=out)


def _report(runtime: Runtime, project: ConnectedProject) -> dict[str, Any]:
    with runtime.reads() as session:
        stored = newest_report(session, project.id, FIGURES)
        monitored = newest_report(session, project.id, MONITORING)
        happened = incidents(session, project.id)
    if stored is None:
        raise click.ClickException(
            f"project {project.id} has no report yet: run `labelgate scheduler`, or `labelgate "
            f"jobs run figures --project {project.id}`"
        )
    return {
        **stored_report(project, stored),
        "monitoring": None if monitored is None else told(monitored),
        "incidents": happened,
    }
