"""``labelgate agreement``: how far the people behind a file of votes or an export agree."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit_jobs.agreement_page import export_page, pair_figure, votes_page
from audit_jobs.export_agreement import export_report
from audit_jobs.measures.distances import Level, TooManyCategoriesError
from audit_jobs.votes import read_votes
from audit_jobs.votes_agreement import VotesAgreement, votes_agreement
from backend.data_files import DataFileError
from connectors.label_studio.exports import ExportError
from policies.domain import Estimate

_SMALLEST = {Level.ORDINAL: -math.inf, Level.INTERVAL: -math.inf, Level.RATIO: 0.0}
_MOST_SHOWN = 10
_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", metavar="FILE", type=_FILE)
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
def agreement(file: Path, kind: str, level: str, *, as_json: bool, html: Path | None) -> None:
    """Measure how far annotators agree, beyond chance and with 95 % intervals.

    FILE is a CSV (or .csv.gz) of votes with the columns `item`, `worker` and `label`, or a JSON
    (or .json.gz) export of Label Studio, of which every control is measured. Of a worker's votes on
    one item the first counts. All levels but the nominal one need labels that are numbers; ordinal
    ones look at their order alone. At the nominal level every text is a label, "nan" as well.

    Items with one vote say nothing of agreement. A figure that is undefined, as a kappa is where
    only one label was ever given, is null in JSON and "-" in tables, with a note that says why.
    The intervals draw items anew, by the same people.
    """
    try:
        if kind == "label-studio" or (kind == "auto" and _begins_as_json(file)):
            report = export_report(file, level)
            page = None if html is None else export_page(report, file.name)
            tables = _export_tables(report)
        else:
            found = votes_agreement(
                read_votes(file, smallest=_SMALLEST.get(Level(level))), Level(level)
            )
            report = found.as_json()
            page = None if html is None else votes_page(found, file.name)
            tables = _votes_tables(found)
    except (DataFileError, ExportError) as error:
        raise click.ClickException(str(error)) from error
    except TooManyCategoriesError as error:
        raise click.ClickException(f"{file}  {error}") from error
    if html is not None and page is not None:
        _write(html, page)
    if as_json:
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        Console().print(*tables, sep="\n")


def _begins_as_json(file: Path) -> bool:
    """True where the first character opens a list or an object; unreadable files are no JSON."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            begin = opened.read(64)
    except (OSError, EOFError, zlib.error):
        return False
    return begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"[", b"{"}


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{file}  cannot be written: {error.strerror}") from error


def _votes_tables(found: VotesAgreement) -> list[Table | str]:
    report = found.as_json()
    head = (
        f"{report['units']:,} items, {report['ratings']:,} votes, {report['raters']:,} workers"
        f"{_dropped(report['dropped'])}"
    )
    tables: list[Table | str] = [head, *(f"[yellow]{escape(note)}[/]" for note in found.notes)]
    measures = ((name, each) for name, each in report["measures"].items())
    tables.append(_table(f"Agreement ({found.level.value})", "measure", measures))
    if found.by_label:
        by_label = ((label, each.as_json()) for label, each in found.by_label.items())
        tables.append(_table("Label by label", "label", by_label))
    workers = [(each["rater"], each["agreement"]) for each in report["annotators"]]
    tables.append(_lowest("Workers with the others", "worker", workers))
    kappa, title = pair_figure(report["pairs"])
    pairs = [(" and ".join(each["raters"]), each[kappa]) for each in report["pairs"]]
    tables.append(_lowest(f"{title} of two workers", "workers", pairs))
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
            tables.append(_table(title, "measure", control["measures"].items()))
        if control["note"]:
            tables.append(f"[yellow]{escape(name)}: {escape(control['note'])}[/]")
    tables += [
        f"[yellow]{escape(', '.join(filter(None, problem.values())))}[/]"
        for problem in report["problems"][:_MOST_SHOWN]
    ]
    return tables


def _lowest(title: str, heading: str, rows: list[tuple[str, Mapping[str, Any]]]) -> Table:
    """Those who surely agree least: by the upper bound, so that few votes alone put nobody here."""
    known = [row for row in rows if row[1]["high"] is not None]
    unknown = [row for row in rows if row[1]["high"] is None]
    shown = [*sorted(known, key=lambda row: float(row[1]["high"])), *unknown][:_MOST_SHOWN]
    more = f", the {_MOST_SHOWN} lowest of {len(rows):,}" if len(rows) > _MOST_SHOWN else ""
    return _table(title + more, heading, shown)


def _table(title: str, heading: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column(heading)
    for column in ("value", "95 % interval", "n"):
        table.add_column(column, justify="right")
    for name, each in rows:
        figure = Estimate(**each)
        value = "-" if figure.value is None else f"{figure.value:.4f}"
        interval = (
            "-"
            if figure.low is None or figure.high is None
            else f"{figure.low:.4f} to {figure.high:.4f}"
        )
        table.add_row(escape(name), value, interval, f"{figure.n:,}")
    return table
