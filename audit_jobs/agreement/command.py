"""``labelgate agreement``: how far the people behind a file of votes or an export agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from audit_jobs.agreement.exports import begins_as_json, export_report
from audit_jobs.agreement.page.project import project_page
from audit_jobs.agreement.page.rendering import export_page, pair_figure, votes_page
from audit_jobs.agreement.tables import lowest, project_tables, table
from audit_jobs.agreement.votes import VotesAgreement, votes_agreement
from audit_jobs.measures.distances import Level, TooManyCategoriesError
from audit_jobs.votes import read_votes
from backend.bootstrap import build_runtime, read_settings
from backend.commands.errors import clear_errors
from backend.commands.options import connected_project
from backend.commands.output import show, tell_json
from backend.commands.progress import progress
from backend.data_files import DataFileError
from backend.store.reports import AGREEMENT, newest_report
from connectors.label_studio.exports import ExportError

_SMALLEST = {Level.ORDINAL: -math.inf, Level.INTERVAL: -math.inf, Level.RATIO: 0.0}
_MOST_SHOWN = 10
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", metavar="[FILE]", type=_FILE, required=False)
@click.option("--project", help="Number or title of a connected project, instead of FILE.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "votes", "label-studio"]),
    default="auto",
    show_default=True,
    help="What FILE holds; auto looks how it begins.",
)
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.NOMINAL.value,
    show_default=True,
    help="What can be said of two labels: equal, above, how far, how many times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--html", type=_FILE, help="Also write a page for people to this file.")
@clear_errors
def agreement(  # noqa: PLR0913 - one parameter for each option
    file: Path | None,
    project: str | None,
    kind: str,
    level: str,
    *,
    as_json: bool,
    html: Path | None,
) -> None:
    """Measure how far annotators agree, beyond chance and with 95 % intervals.

    FILE is a CSV (or .csv.gz) of votes with the columns `item`, `worker` and `label`, or a JSON
    (or .json.gz) export of Label Studio, of which every control is measured. Of a worker's votes on
    one item the first counts. All levels but the nominal one need labels that are numbers; ordinal
    ones look at their order alone. At the nominal level every text is a label, "nan" as well.

    Items with one vote say nothing of agreement. A figure that is undefined, as a kappa is where
    only one label was ever given, is null in JSON and "-" in tables, with a note that says why.
    The intervals draw items anew, by the same people.

    With --project it is the last report of the job `agreement` that is shown: every control of
    the project, the routed queue apart from the random slices, by tier and by week, with its
    people by their Label Studio user ids.

    Example: labelgate agreement votes.csv --level ordinal
    """
    if (file is None) == (project is None):
        raise click.UsageError("give a FILE, or --project with a connected project")
    if project is not None and (kind, level) != ("auto", Level.NOMINAL.value):
        raise click.UsageError("--format and --level are about a FILE, not about --project")
    if project is not None:
        report, title = _stored_report(project)
        page = None if html is None else project_page(report, title)
        _show(report, project_tables(report, title), page, as_json=as_json, html=html)
    elif file is not None:
        _measure(file, kind, level, as_json=as_json, html=html)


def _stored_report(name: str) -> tuple[dict[str, Any], str]:
    """The body of the newest report of a connected project, and the project's title."""
    runtime = build_runtime(read_settings())
    project = connected_project(runtime, name)
    with runtime.reads() as session:
        report = newest_report(session, project.id, AGREEMENT)
    if report is None or "controls" not in report.body:
        raise click.ClickException(
            f"project {project.id} has no agreement report yet: run `labelgate scheduler`, or "
            f"`labelgate jobs run agreement --project {project.id}`"
        )
    return report.body, project.title


def _measure(file: Path, kind: str, level: str, *, as_json: bool, html: Path | None) -> None:
    try:
        if kind == "label-studio" or (kind == "auto" and begins_as_json(file)):
            with progress("measuring"):
                report = export_report(file, level)
            page = None if html is None else export_page(report, file.name)
            tables = _export_tables(report)
        else:
            with progress("measuring"):
                votes = read_votes(file, smallest=_SMALLEST.get(Level(level)))
                found = votes_agreement(votes, Level(level))
            report = found.as_json()
            page = None if html is None else votes_page(found, file.name)
            tables = _votes_tables(found)
    except (DataFileError, ExportError) as error:
        raise click.ClickException(str(error)) from error
    except TooManyCategoriesError as error:
        raise click.ClickException(f"{file}  {error}") from error
    _show(report, tables, page, as_json=as_json, html=html)


def _show(
    report: Mapping[str, Any],
    tables: Sequence[Table | str],
    page: str | None,
    *,
    as_json: bool,
    html: Path | None,
) -> None:
    if html is not None and page is not None:
        _write(html, page)
    if as_json:
        tell_json(report, indent=True)
    else:
        show(*tables)


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{file}  cannot be written: {error.strerror}; name another file"
        ) from error


def _votes_tables(found: VotesAgreement) -> list[Table | str]:
    report = found.as_json()
    head = (
        f"{report['units']:,} items, {report['ratings']:,} votes, {report['raters']:,} workers"
        f"{_dropped(report['dropped'])}"
    )
    tables: list[Table | str] = [head, *(f"[yellow]{escape(note)}[/]" for note in found.notes)]
    measures = ((name, each) for name, each in report["measures"].items())
    tables.append(table(f"Agreement ({found.level.value})", "measure", measures))
    if found.by_label:
        by_label = ((label, each.as_json()) for label, each in found.by_label.items())
        tables.append(table("Label by label", "label", by_label))
    workers = [(each["rater"], each["agreement"]) for each in report["annotators"]]
    tables.append(lowest("Workers with the others", "worker", workers))
    kappa, title = pair_figure(report["pairs"])
    pairs = [(" and ".join(each["raters"]), each[kappa]) for each in report["pairs"]]
    tables.append(lowest(f"{title} of two workers", "workers", pairs))
    return tables


def _dropped(votes: int) -> str:
    if votes == 0:
        return ""
    return f"; {votes:,} repeated votes of a worker on an item left out, the first counts"


def _export_tables(report: Mapping[str, Any]) -> list[Table | str]:
    tables: list[Table | str] = [
        f"{report['tasks']:,} tasks, {len(report['annotators']):,} annotators"
    ]
    for name, control in report["controls"].items():
        if control["measures"]:
            title = f"{name} ({control['type']})"
            tables.append(table(title, "measure", control["measures"].items()))
        if control["note"]:
            tables.append(f"[yellow]{escape(name)}: {escape(control['note'])}[/]")
    own = report["label_studio_agreement"]
    if own is not None:
        title = f"Label Studio's own agreement, {own['scale'][0]} to {own['scale'][1]}"
        tables.append(table(title, "measure", [("mean over tasks", own["mean"])]))
    tables += [
        f"[yellow]{escape(', '.join(filter(None, problem.values())))}[/]"
        for problem in report["problems"][:_MOST_SHOWN]
    ]
    return tables
