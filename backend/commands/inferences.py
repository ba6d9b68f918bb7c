"""``labelgate inferences token`` and ``import``: how what a deployed model answered comes in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import done, note, tell, tell_json
from backend.commands.progress import progress
from backend.inferences.file_import import Imported, import_file
from backend.store.inference_tokens import make_token, revoke_tokens
from connectors.inference_files import InferenceFileError

_INTERRUPTED = 130  # as shells say it


@click.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--revoke", is_flag=True, help="Take back every token of the project instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def token(*, project: str, revoke: bool, as_json: bool) -> None:
    """Make a token with which a deployed model's answers may be sent to /v1/inferences.

    It is printed this once, and only its hash is kept. A project may have several, such as one for
    each sender; all that were made so far are taken back together.

    Example: labelgate inferences token --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    with runtime.sessions.begin() as session:
        if revoke:
            taken_back = revoke_tokens(session, connected.id, runtime.now())
        else:
            made = make_token(session, connected.id, runtime.now())
    if revoke:
        told = {"project": connected.id, "revoked": taken_back}
        if as_json:
            tell_json(told)
        else:
            done(f"{taken_back:,} tokens are valid no more")
        return
    if as_json:
        tell_json({"project": connected.id, "token": made})
    else:
        tell(made)
    note("shown this once: keep it where the model's server reads its secrets")


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON at the end.")
@clear_errors
def import_inferences(file: Path, *, project: str, as_json: bool) -> None:
    """Take in what a deployed model answered from a file.

    FILE ends in .csv, .jsonl (both also .gz) or .parquet. A table has the columns id, predicted,
    model_version and, where they are known, score and at; the data is JSON in a column 'data', or
    all other columns. A line of .jsonl is an inference as /v1/inferences takes it. Cut off or
    corrected, the same command goes on: what is known is not doubled.

    Example: labelgate inferences import answers.csv --project 3
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    try:
        with progress("reading") as stages:
            found = import_file(runtime, connected, file, lambda so_far: stages.at(so_far.received))
    except InferenceFileError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        note("\nstopped; the same command goes on where it was")
        raise click.exceptions.Exit(_INTERRUPTED) from None
    if as_json:
        tell_json({"project": connected.id, **asdict(found)})
        return
    tell(said_of(found))


def said_of(found: Imported) -> str:
    """The end of it, in words."""
    said = f"{found.received:,} inferences read: {found.stored:,} stored, {found.known:,} known"
    if not found.conflicts:
        return said
    more = ", ..." if found.conflicts > len(found.conflicting) else ""
    return (
        f"{said}, {found.conflicts:,} in conflict: another content came under the same id before, "
        f"and stays\nin conflict: {', '.join(found.conflicting)}{more}"
    )
