"""Tables of text, in every form that they are read in. Labels may hold anything: all is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from jinja2 import Environment, PackageLoader, select_autoescape
from rich.markup import escape
from rich.table import Table as RichTable

from backend.commands.output import new_table, show, tell_text

FORMATS = ("md", "html", "json")
# The columns that ``figure_cells`` fills.
FIGURE = ("value", "95 % interval", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under column names; ``says`` is how to read it."""

    heading: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure_cells(
    name: str, figure: Mapping[str, Any] | None, how: str = "{:.3f}"
) -> tuple[str, str, str, str]:
    """A row of a name and an estimate; ``how`` writes one number.

    >>> figure_cells("rate", {"value": 0.5, "low": 0.25, "high": 0.75, "n": 1200})
    ('rate', '0.500', '0.250 to 0.750', '1,200')
    >>> figure_cells("rate", None)
    ('rate', 'undefined', '', '0')
    """
    if figure is None or figure["value"] is None:
        return name, "undefined", "", "0" if figure is None else f"{figure['n']:,}"
    bounds = [figure["low"], figure["high"]]
    interval = "" if None in bounds else " to ".join(how.format(bound) for bound in bounds)
    return name, how.format(figure["value"]), interval, f"{figure['n']:,}"


def markdown(tables: Iterable[Table], title: str) -> str:
    """The tables as Markdown."""
    lines = [f"# {cell(title)}", ""]
    for table in tables:
        lines += markdown_table(table, level=2)
    return "\n".join(lines)


def markdown_table(table: Table, *, level: int) -> list[str]:
    """The lines of one table, under a heading of this level."""
    lines = [f"{'#' * level} {cell(table.heading)}", "", cell(table.says), ""]
    if table.rows:
        lines += [_row(table.columns), _row("---" for _ in table.columns)]
        lines += [_row(map(cell, row)) for row in table.rows]
        lines.append("")
    return lines


def page(tables: Sequence[Table], title: str) -> str:
    """The tables as one HTML file."""
    return templates().get_template("page.html").render(title=title, tables=tables)


def templates() -> Environment:
    """The templates of this folder; whatever they are given is escaped."""
    return Environment(
        loader=PackageLoader("audit_jobs.documents", "."),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def print_report(
    report: Mapping[str, Any],
    tables: Sequence[Table],
    title: str,
    *,
    kind: str | None = None,
    out: Path | None = None,
) -> None:
    """Print or write a report in one of ``FORMATS``; as tables on the terminal where none is asked.

    A file's name says its format where ``kind`` does not; Markdown where neither does.

    Raises
        click.ClickException: the file cannot be written.
    """
    kind = kind or (_kind_of(out) if out is not None else None)
    if kind is None:
        show(*map(drawn, tables))
        return
    if kind == "json":
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n"
    else:
        text = markdown(tables, title) if kind == "md" else page(tables, title)
    if out is None:
        tell_text(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{out}  cannot be written: {error.strerror}; name another file"
        ) from error


def _kind_of(out: Path) -> str:
    return {".json": "json", ".html": "html", ".htm": "html"}.get(out.suffix.lower(), "md")


def drawn(table: Table) -> RichTable:
    """The table as a terminal shows it."""
    made = new_table(title=escape(table.heading), caption=escape(table.says))
    for name in table.columns:
        made.add_column(escape(name), overflow="fold")
    for row in table.rows:
        made.add_row(*map(escape, row))
    return made


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """Text that is no Markdown and no HTML, whatever a label is called."""
    escaped = "".join(f"\\{each}" if each in "\\`*_[]|~#" else each for each in text)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;")):
        escaped = escaped.replace(sign, entity)
    return " ".join(escaped.split())
