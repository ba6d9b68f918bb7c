"""``labelgate export``: final labels in a file, and the freeze that makes them final."""

from __future__ import annotations

from pathlib import Path

import click

from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import tell, tell_json
from backend.commands.progress import progress
from backend.exporting import FORMATS, export_labels
from backend.freezing import FreezeReport, freeze_accepts
from backend.store.freezes import EXPORT


@click.command()
@click.argument("project")
@click.option(
    "--out",
    "file",
    required=True,
    metavar="FILE.jsonl|csv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write; the name says the format. A file that is there is replaced.",
)
@click.option(
    "--no-freeze", is_flag=True, help="A preview: nothing is frozen, provisional accepts come too."
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="A field of the task's data to take along, beside those that name it; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clear_errors
def export(
    project: str, file: Path, *, no_freeze: bool, fields: tuple[str, ...], as_json: bool
) -> None:
    """Write a line for each final label of PROJECT (number or title), and freeze its accepts first.

    An accept is provisional: a better model may take it back. This command freezes those whose
    promise the control answers prove once more, with a part of the error budget for each freeze,
    and nothing decides them again. What is not proved stays provisional and is not exported.

    Each line has the task's id and the fields that name it, label, source (human or accepted), the
    tier that was asked, how many people answered, the model's score and version, the policy's hash,
    the number of the freeze, and number and hash of the decision, to find it in the ledger.

    Example: labelgate export 3 --out labels.jsonl
    """
    _check(file)
    runtime = build_runtime(read_settings())
    connected = connected_project(runtime, project)
    report = None
    with progress("proving what is frozen") as stages:
        if not no_freeze:
            report = freeze_accepts(runtime, connected, why=EXPORT, until=runtime.now())
        stages.stage(f"writing {file.name}")
        counts = export_labels(runtime, connected, file, provisional=no_freeze, fields=fields)
    if as_json:
        made = None if report is None else report.as_json()
        tell_json({"file": str(file), **counts, "freeze": made})
        return
    _tell(file, counts, report)


def _tell(file: Path, counts: dict[str, int], report: FreezeReport | None) -> None:
    written = counts["human"] + counts["accepted"]
    preview = "" if report is not None else f", and {counts['provisional']:,} provisional ones"
    tell(
        f"{file}  {written:,} final labels ({counts['human']:,} by people, "
        f"{counts['accepted']:,} accepted){preview}"
    )
    tell(f"{counts['open']:,} tasks have no label yet")
    if report is None:
        return
    if report.number is not None:
        tell(f"freeze {report.number} took {report.tasks:,} accepts along")
    if report.number is None or counts["provisional"]:
        tell(f"{counts['provisional']:,} accepts stay provisional and are not in the file")
        for line in report.said:
            tell(f"  {line}")


def _check(file: Path) -> None:
    if file.suffix not in FORMATS:
        raise click.BadParameter(
            f"{str(file)!r} names no format: end it in {' or '.join(FORMATS)}", param_hint="--out"
        )
    if not file.parent.is_dir():
        raise click.BadParameter(
            f"the folder {str(file.parent)!r} does not exist", param_hint="--out"
        )
