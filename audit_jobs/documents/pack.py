"""A report of several chapters that stands on its own: as Markdown, HTML, JSON or PDF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
from markupsafe import Markup
from rich.markup import escape

from audit_jobs.documents.pdf import PdfError, draws_charts, pdf_of
from audit_jobs.documents.tables import Table, cell, drawn, markdown_table, templates
from backend.charts.markup import chart_style
from backend.commands.output import new_table, show, tell_text

FORMATS = ("md", "html", "json", "pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A text that is shown as it is, such as a policy."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What belongs together: what it is about in plain words, then charts, tables and listings.

    Charts are for pages: Markdown and JSON have what they show in tables and figures.
    """

    heading: str
    says: str
    charts: tuple[Markup, ...] = ()
    tables: tuple[Table, ...] = ()
    listings: tuple[Listing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A whole report: its title, what it is about, its facts in short, and its chapters.

    ``words`` explains the words that it uses, for somebody who has never seen them.
    """

    title: str
    about: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    chapters: tuple[Chapter, ...]
    words: Mapping[str, str]


def markdown(pack: Pack) -> str:
    """The pack as Markdown."""
    lines = [f"# {cell(pack.title)}", ""]
    lines += [line for each in pack.about for line in (cell(each), "")]
    lines += [f"- **{cell(term)}**: {cell(says)}" for term, says in pack.facts]
    for chapter in pack.chapters:
        lines += ["", f"## {cell(chapter.heading)}", ""]
        lines += [cell(chapter.says), ""]
        for table in chapter.tables:
            lines += markdown_table(table, level=3)
        for listing in chapter.listings:
            indented = [f"    {line}".rstrip() for line in listing.text.splitlines()]
            lines += [f"### {cell(listing.heading)}", "", *indented, ""]
    lines += ["", "## Words", ""]
    lines += [f"- **{cell(word)}**: {cell(says)}" for word, says in pack.words.items()]
    return "\n".join(lines) + "\n"


def page(pack: Pack, *, charts: bool = True) -> str:
    """The pack as one HTML file that needs nothing else; with charts where they can be drawn."""
    drawn_with = chart_style() if charts else None
    return templates().get_template("pack.html").render(pack=pack, chart_style=drawn_with)


def print_pack(
    report: Mapping[str, Any], pack: Pack, *, kind: str | None = None, out: Path | None = None
) -> None:
    """Print or write a pack in one of ``FORMATS``; as tables on the terminal where none is asked.

    A file's name says its format where ``kind`` does not; Markdown where neither does.

    Raises
        click.ClickException: the file cannot be written, or nothing here makes a PDF.
        click.UsageError: a PDF is asked for, and no file to write it to.
    """
    kind = kind or (_kind_of(out) if out is not None else None)
    if kind is None:
        _show(pack)
        return
    if kind == "pdf" and out is None:
        raise click.UsageError("a PDF needs a file: give --out FILE.pdf")
    made = _made(kind, report, pack)
    if out is None:
        tell_text(made.decode())
        return
    try:
        out.write_bytes(made)
    except OSError as error:
        raise click.ClickException(f"{out}  cannot be written: {error.strerror}") from error


def _made(kind: str, report: Mapping[str, Any], pack: Pack) -> bytes:
    if kind == "json":
        return orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n"
    if kind == "md":
        return markdown(pack).encode()
    if kind == "html":
        return page(pack).encode()
    try:
        return pdf_of(page(pack, charts=draws_charts()))
    except PdfError as error:
        raise click.ClickException(str(error)) from error


def _show(pack: Pack) -> None:
    facts = new_table("in short", "", headed=False)
    for term, says in pack.facts:
        facts.add_row(escape(term), escape(says))
    show(facts, *(drawn(table) for chapter in pack.chapters for table in chapter.tables))


def _kind_of(out: Path) -> str:
    suffix = out.suffix.lower()
    return {".json": "json", ".html": "html", ".htm": "html", ".pdf": "pdf"}.get(suffix, "md")
