"""``labelgate prelabel``."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from audit_jobs.prelabelling.progress import watched
from audit_jobs.prelabelling.run import PrelabellingError, ask, carry_out, counts
from audit_jobs.running import JobFailedError
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import note, tell, tell_json
from backend.runtime import Runtime
from backend.store.prelabels import PrelabelCounts, why_unanswered
from backend.store.projects import ConnectedProject

_INTERRUPTED = 130  # as shells say it


@click.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--view", help="Only the tasks of this Data Manager view: its title or number.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON at the end.")
@clear_errors
def prelabel(*, project: str, view: str | None, as_json: bool) -> None:
    """Show the model's label on every task, not only on those of today's queue.

    It can be cut off at any point and run again: it goes on where it was, and nothing is written
    twice. What must stay blind (control, holdout, audits, tasks in doubt) shows nothing. Tasks that
    come later are labelled by the next run.

    Example: labelgate prelabel --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    try:
        ask(runtime, connected, view, time.sleep)
        with watched(lambda: counts(runtime, connected)):
            found = carry_out(runtime, connected, time.sleep)
    except (PrelabellingError, JobFailedError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        note("\nstopped; the same command goes on where it was")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    why = _why(runtime, connected)
    if as_json:
        told = {"project": connected.id, "asked": found.asked, **asdict(found)}
        tell_json(told | {"why_unanswered": why})
    else:
        tell(said_of(found, why))


def _why(runtime: Runtime, project: ConnectedProject) -> str | None:
    with runtime.reads() as session:
        return why_unanswered(session, project.id)


def said_of(found: PrelabelCounts, why: str | None) -> str:
    """The end of it, in words; ``why`` is the most frequent reason of those without an answer."""
    if not found.asked:
        return "there is no task to label"
    parts = [f"{found.shown:,} of {found.asked:,} tasks asked for so far show their label"]
    if found.answered:
        parts.append(f"{found.answered:,} have a person's answer")
    if found.blind:
        parts.append(f"{found.blind:,} stay blind, as the policy says")
    if found.unanswered:
        parts.append(
            f"{found.unanswered:,} got no answer and are left to people (most often: {why}); "
            "the same command asks about them again"
        )
    return "; ".join(parts)
