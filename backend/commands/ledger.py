"""``labelgate ledger``."""

from __future__ import annotations

import sys

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import tell, tell_json
from backend.commands.progress import progress
from backend.store.ledger_check import verify_ledger
from backend.store.projects import all_projects


@click.group()
def ledger() -> None:
    """The append-only record of every decision."""


@ledger.command()
@click.option("--project", type=int, help="Number of one project; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def verify(project: int | None, *, as_json: bool) -> None:
    """Prove that no entry was changed, removed or slipped in; exit with 1 where one was.

    Example: labelgate ledger verify --project 3
    """
    runtime = build_runtime(read_settings())
    with runtime.reads() as session:
        known = [p.id for p in all_projects(session)] if project is None else [project]
        with progress("verifying") as stages:
            checks = [
                verify_ledger(session, project_id) for project_id in stages.over(known, "verifying")
            ]
    if as_json:
        tell_json(checks)
    for check in () if as_json else checks:
        if check.broken_seq is None:
            erased = f" ({check.erased} of them with their answers erased)" if check.erased else ""
            said = f"{check.entries} entries hold{erased}, head {check.head[:16]}"
        else:
            said = f"entry {check.broken_seq} is broken: {check.why}"
        tell(f"project {check.project_id}: {said}")
    sys.exit(1 if any(check.broken_seq is not None for check in checks) else 0)
