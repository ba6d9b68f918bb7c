"""``labelgate erase``: what is known of a person, where the person asks for it."""

from __future__ import annotations

import click

from backend import erasure
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json

BY = "command line"

_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be erased; erase nothing.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def erase() -> None:
    """Erase what is known of a person; figures and the ledger stay without it."""


@erase.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--task", "tasks", type=int, multiple=True, required=True, help="A task's number.")
@_DRY_RUN
@_JSON
@clear_errors
def tasks(*, project: str, tasks: tuple[int, ...], dry_run: bool, as_json: bool) -> None:
    """Erase what tasks say, of whoever they are about, once they are deleted in Label Studio.

    Example: labelgate erase tasks --project 3 --task 1204 --task 1205 --dry-run
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    found = erasure.erase_tasks(runtime, connected, tasks, BY, dry_run=dry_run)
    if as_json:
        tell_json(found)
        return
    verb = "would be erased" if dry_run else "erased"
    tell(f"{found.tasks} of {len(set(tasks))} tasks {verb}; the others were before, or are unknown")
    if found.versions:
        tell(
            f"learned from them: {', '.join(found.versions)}; the files of versions that no longer "
            "serve may be deleted from the data folder"
        )
    if found.retraining:
        tell("one of these serves: a new version was asked for")


@erase.command()
@click.argument("user_id", type=int)
@_DRY_RUN
@_JSON
@clear_errors
def annotator(*, user_id: int, dry_run: bool, as_json: bool) -> None:
    """Make the answers of somebody nobody's, once the account is deleted in Label Studio.

    USER_ID is the account's number there. The answers keep counting, under a number that stands for
    no one.

    Example: labelgate erase annotator 42 --dry-run
    """
    found = erasure.erase_annotator(build_runtime(read_settings()), user_id, BY, dry_run=dry_run)
    if as_json:
        tell_json(found)
        return
    verb = "would belong" if dry_run else "belong"
    tell(f"{found.answers:,} answers {verb} to {found.pseudonym}, which stands for nobody")


@erase.command()
@click.argument("name")
@_JSON
@clear_errors
def account(*, name: str, as_json: bool) -> None:
    """Close an account of the pages for good, and take its name out of the trail.

    Example: labelgate erase account ann
    """
    stands_in = erasure.erase_account(build_runtime(read_settings()), name, BY)
    if as_json:
        tell_json({"account": stands_in})
        return
    tell(f"the account is closed for good, and the trail says {stands_in} in its place")
