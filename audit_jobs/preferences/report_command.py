"""``labelgate preferences report``: how far the judges of a file or a project can be trusted."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import click
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from audit_jobs.measures.preferences.verdicts import verdicts
from audit_jobs.preferences.report import preference_report
from audit_jobs.preferences.tables import report_tables
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import show, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.output_files import write_file
from backend.preference_records import PreferenceRecordsError, project_pairs
from backend.spreadsheets import csv_line
from connectors.json_lines import JsonLinesError
from connectors.preference_files import read_pairs
from policies.judgments import Choice, PreferencePair

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", metavar="[FILE.jsonl]", type=_FILE, required=False)
@click.option("--project", help="Number or title of a connected project, instead of FILE.")
@click.option(
    "--consensus",
    metavar="OUT.csv",
    type=_FILE,
    help="Also write each pair's consensus with its confidence; .gz packs it.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Fixes every draw."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@clear_errors
def report(
    file: Path | None,
    project: str | None,
    consensus: Path | None,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """Measure the judges of pairs: do they agree, and does anything but the answers move them.

    A line of FILE.jsonl (or .jsonl.gz) is {"id", "prompt", "response_a", "response_b", "judgments":
    {JUDGE: a, b, tie or none}}, with "gold", "repeat_of" and "criteria" {NAME: {JUDGE: choice}}
    where there are any. A judgement names the answer, not its place; a judge's key ends in :ab or
    :ba where it is known which answer stood first.

    Agreement is raw and beyond chance, of all judges, two by two and each with the others. Position
    bias asks whether the first place wins: the order must have been drawn. Length bias asks the
    same of the longer answer. Rings (a over b over c over a) are counted against guessing and
    against judges who have an order but differ. Judges are measured by gold where there is some.
    Intervals are 95 %; what is not known is null in JSON.

    With --project the pairs are those that people of a connected project have compared.

    Example: labelgate preferences report judgements.jsonl
    """
    if (file is None) == (project is None):
        raise click.UsageError("give a FILE, or --project with a connected project")
    if file is not None and consensus is not None and consensus.resolve() == file.resolve():
        raise click.UsageError(f"--consensus {consensus} is the file to be read: give another name")
    try:
        pairs, name = _of_project(project) if file is None else (read_pairs(file), file.name)
        if consensus is not None:
            write_file(consensus, _consensus(pairs, packed=consensus.suffix == ".gz"))
    except (DataFileError, JsonLinesError, PreferenceRecordsError) as error:
        raise click.ClickException(str(error)) from error
    # Threads of BLAS would wait on short rows, in a loop.
    with progress("measuring"), threadpool_limits(limits=1):
        found = preference_report(pairs, seed)
    if as_json:
        tell_json(found, indent=True)
    else:
        show(*report_tables(found, name))


def _of_project(name: str | None) -> tuple[list[PreferencePair], str]:
    runtime = build_runtime(read_settings())
    project = connected_project(runtime, str(name))
    return project_pairs(runtime, project), project.title


def _consensus(pairs: Sequence[PreferencePair], *, packed: bool) -> bytes:
    """A line for each pair that somebody judged; no confidence where nothing tells it."""
    spoken = (Choice.A, Choice.B, Choice.TIE)
    named = ("id", "choice", "confidence", "judges", *(each.value for each in spoken))
    lines = [csv_line(named)]
    for each in verdicts(pairs):
        sure = "" if each.confidence is None else f"{each.confidence:.6f}"
        votes = (each.votes.get(choice, 0) for choice in spoken)
        lines.append(csv_line((each.id, each.choice.value, sure, each.judges, *votes)))
    content = "".join(lines).encode()
    # No time in the packed file: the same judgements make the same bytes.
    return gzip.compress(content, mtime=0) if packed else content
