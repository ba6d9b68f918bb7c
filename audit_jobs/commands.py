"""``labelgate jobs``."""

from __future__ import annotations

import click
import orjson
from rich.markup import escape

from audit_jobs.job_names import NAMES
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.groups import LazyGroup
from backend.commands.output import new_table, show, tell, tell_json
from backend.store.job_runs import JobRun, recent_runs

COMMANDS = {"run": "audit_jobs.run_command"}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def jobs() -> None:
    """The scheduled jobs, run by hand."""


@jobs.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_jobs(*, as_json: bool) -> None:
    """Name every job.

    Example: labelgate jobs list
    """
    if as_json:
        tell_json({"jobs": NAMES})
        return
    for name in NAMES:
        tell(name)


@jobs.command()
@click.option("--limit", default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def log(limit: int, *, as_json: bool) -> None:
    """Show the last runs.

    Example: labelgate jobs log --limit 50
    """
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        runs = recent_runs(session, limit)
    if as_json:
        tell_json({"runs": [_as_json(each) for each in runs]})
        return
    shown = new_table("began (UTC)", "job", "project", "outcome", "said")
    for each in runs:
        shown.add_row(
            f"{each.started_at:%Y-%m-%d %H:%M:%S}",
            each.job,
            "-" if each.project_id is None else str(each.project_id),
            each.outcome or "not ended",
            escape(each.error or orjson.dumps(each.report).decode()),
        )
    show(shown)


def _as_json(run: JobRun) -> dict[str, object]:
    return {
        "id": run.id,
        "job": run.job,
        "project": run.project_id,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "outcome": run.outcome,
        "report": run.report,
        "error": run.error,
    }
