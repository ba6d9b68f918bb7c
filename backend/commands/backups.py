"""``labelgate backup`` and ``labelgate restore``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from backend.backups.making import make_backup
from backend.backups.restoring import restore_backup
from backend.bootstrap import build_runtime, open_database, read_settings
from backend.commands.errors import clear_errors
from backend.commands.output import done, note, tell_json
from backend.commands.progress import progress

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def backup(file: Path, *, as_json: bool) -> None:
    """Write the database and all model files into FILE, while everything runs.

    The file holds the database as it was at one moment, whichever engine it is on, and can be
    restored on either. It is readable by its owner only: it holds tasks and people's answers, and
    hashes of passwords and tokens. Secrets of the data folder and of the environment are not in
    it; the command says which there are.

    Example: labelgate backup /backups/labelgate-2026-03-01.zip
    """
    settings = read_settings()
    runtime = build_runtime(settings, migrates=False)
    engine = runtime.sessions.kw["bind"]
    with progress("reading") as stages:
        report = make_backup(settings, engine, file, runtime.now(), stages.stage)
    if as_json:
        tell_json({"file": str(file), **asdict(report)})
        return
    done(
        f"{file}  {sum(report.rows.values()):,} rows, {report.models:,} model files, "
        f"{report.bytes / 1e6:,.1f} MB, schema {report.schema}"
    )
    for each in report.left_out:
        note(f"not in it, keep it elsewhere: {each}")
    for each in report.missing_models:
        note(f"the database names a model file that is not there: {each}")


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--replace", is_flag=True, help="Let it take the place of all that the database holds."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def restore(file: Path, *, replace: bool, as_json: bool) -> None:
    """Bring the backup in FILE back, into the database of the settings and the data folder.

    The database is empty, or --replace is said; no other process of Labelgate works with it. It
    may be on another engine than the one that the backup was made of. A backup that is damaged, or
    newer than this program, is refused. Every ledger is verified; where one does not hold, or
    anything else fails, the database stays as it was.

    Example: labelgate restore /backups/labelgate-2026-03-01.zip
    """
    settings = read_settings()
    engine = open_database(settings)
    with progress("checking") as stages:
        report = restore_backup(settings, engine, file, replace=replace, told=stages.stage)
    if as_json:
        tell_json({"file": str(file), **asdict(report)})
        return
    done(
        f"{sum(report.rows.values()):,} rows and {report.models:,} model files restored; "
        f"{len(report.ledgers):,} ledgers hold, {sum(report.ledgers.values()):,} entries"
    )
    for each in report.left_out:
        note(f"was not in the backup, bring it from elsewhere: {each}")
    for each in report.missing_models:
        note(f"had no file when the backup was made: model {each}")
