"""``labelgate inferences token`` and ``import``: how what a deployed model answered comes in."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.inferences.file_import import Imported, import_file
from backend.store.inference_tokens import make_token, revoke_tokens
from connectors.inference_files import InferenceFileError

_INTERRUPTED = 130  # as shells say it
_FIRST_S, _LOOK_S, _LINE_S = 2.0, 1.0, 30.0


@click.command()
@click.option("--project", required=True, help="Number or title of the project.")
@click.option("--revoke", is_flag=True, help="Take back every token of the project instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def token(*, project: str, revoke: bool, as_json: bool) -> None:
    """Make a token with which a deployed model's answers may be sent to /v1/inferences.

    It is printed this once, and only its hash is kept. A project may have several, such as one for
    each sender; all that were made so far are taken back together.
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
        click.echo(orjson.dumps(told) if as_json else f"{taken_back:,} tokens are valid no more")
        return
    click.echo(orjson.dumps({"project": connected.id, "token": made}) if as_json else made)
    click.echo("shown this once: keep it where the model's server reads its secrets", err=True)


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
    """
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    progress = _Progress()
    try:
        found = import_file(runtime, connected, file, progress.tell)
    except InferenceFileError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on where it was", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None
    finally:
        progress.end()
    if as_json:
        click.echo(orjson.dumps({"project": connected.id, **asdict(found)}))
        return
    click.echo(said_of(found))


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


class _Progress:
    """How far it is, for whatever takes longer than two seconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next = self._began + _FIRST_S
        self._open = False

    def tell(self, found: Imported) -> None:
        """Print a line to standard error where it is time; a terminal gets the same line again."""
        now = time.monotonic()
        if now < self._next:
            return
        line = f"{found.received:,} read, {found.received / (now - self._began):,.0f} a second"
        if sys.stderr.isatty():
            self._next = now + _LOOK_S
            self._open = True
            click.echo(f"\r{line}\033[K", err=True, nl=False)
        else:
            self._next = now + _LINE_S
            click.echo(line, err=True)

    def end(self) -> None:
        """Leave the terminal's line."""
        if self._open:
            click.echo(err=True)
