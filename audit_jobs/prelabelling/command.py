"""``labelgate prelabel``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from audit_jobs.prelabelling.run import PrelabellingError, ask, carry_out, counts
from audit_jobs.running import JobFailedError
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.runtime import Runtime
from backend.store.prelabels import PrelabelCounts
from backend.store.projects import ConnectedProject

_LOOK_S = 1.0


@click.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--view", help="Only the tasks of this Data Manager view: its title or number.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON at the end.")
@clear_errors
def prelabel(*, project: str, view: str | None, as_json: bool) -> None:
    """Show the model's label on every task, not only on those of today's queue.

    It can be cut off at any point and run again: it goes on where it was, and nothing is written
    twice. What must stay blind (control, holdout, audits, tasks in doubt) shows nothing.
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    try:
        asked = ask(runtime, connected, view)
        with _bar(runtime, connected, asked):
            found = carry_out(runtime, connected, time.sleep)
    except (PrelabellingError, JobFailedError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(orjson.dumps({"project": connected.id, **asdict(found)}))
    else:
        click.echo(said_of(found))


def said_of(found: PrelabelCounts) -> str:
    """The end of it, in words."""
    parts = [f"{found.shown:,} of {found.asked:,} tasks show their label"]
    if found.answered:
        parts.append(f"{found.answered:,} have a person's answer")
    if found.blind:
        parts.append(f"{found.blind:,} stay blind, as the policy says")
    if found.unanswered:
        parts.append(f"{found.unanswered:,} got no answer: people see them, the ledger says why")
    return "; ".join(parts)


class _Rate(ProgressColumn):
    """Tasks a second since the beginning."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} tasks/s")


@contextmanager
def _bar(runtime: Runtime, project: ConnectedProject, asked: int) -> Iterator[None]:
    """A bar that is read off the store, whoever does the work; none where nobody looks."""
    if not sys.stderr.isatty():
        yield
        return
    columns = (TextColumn("pre-labelling"), BarColumn(), MofNCompleteColumn(), _Rate())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        shown = progress.add_task("", total=asked, completed=counts(runtime, project).done)
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_S):
                found = counts(runtime, project)
                progress.update(shown, total=found.asked, completed=found.done)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()
            found = counts(runtime, project)
            progress.update(shown, total=found.asked, completed=found.done)
