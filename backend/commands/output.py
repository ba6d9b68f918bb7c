"""The one look of all commands: where things are printed, and what tables look like.

What was asked for goes to standard output, and nothing else: with ``--json`` one JSON document.
Notes and progress go to standard error, so that a pipe gets the data alone; ``--quiet`` leaves them
out. Colours are for terminals, and NO_COLOR turns them off (https://no-color.org).
"""

from __future__ import annotations

import re
import shutil
from typing import Any

import click
import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Without a terminal nobody sees where lines end: tables are as wide as they need to be, within
# reason, because rich fills what it is given.
_WIDTH_OF_A_FILE = 160
# Numbers, shares, money, and intervals of them: `12`, `-0.5`, `81.0% (79.2% to 82.6%)`.
_NUMBER = re.compile(r"[-+<>]?\d[\d,.]*%?( ?\(?(to|at most)? ?[-+]?\d[\d,.]*%?\)?)*")
_DATE = re.compile(r"\d{4}-\d\d")
_NOTHING = {"", "-", "undefined", "unknown", "none"}


def out() -> Console:
    """Standard output."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error: notes, progress, and what went wrong."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        # COLUMNS, where somebody has set it
        console.width = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 25)).columns
    return console


def is_quiet() -> bool:
    """Whether `labelgate --quiet` was said."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("quiet"))


def tell(text: str) -> None:
    """A line of what was asked for."""
    click.echo(text)


def tell_text(text: str) -> None:
    """A whole document, which ends its own lines."""
    click.echo(text, nl=False)


def done(text: str) -> None:
    """A line that says what was done; quiet commands are silent about success."""
    if not is_quiet():
        click.echo(text)


def note(text: str) -> None:
    """A remark beside the answer, on standard error."""
    if not is_quiet():
        click.echo(text, err=True)


def tell_json(document: Any, *, indent: bool = False) -> None:
    """The one JSON document of a command."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else 0))


def show(*shown: Table | str) -> None:
    """Tables and lines, one below the other.

    Strings may hold rich's markup: escape what is not your own.
    """
    console = out()
    for place, each in enumerate(shown):
        if isinstance(each, Table):
            _align(each)
        console.print(each)
        if isinstance(each, Table) and place + 1 < len(shown):
            console.print()


def new_table(*columns: str, title: str = "", caption: str = "", headed: bool = True) -> Table:
    """An empty table in the look of all commands; ``show`` aligns its numbers to the right."""
    return Table(
        *columns,
        title=title or None,
        title_justify="left",
        title_style="bold",
        caption=caption or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD if headed else box.SIMPLE,
        header_style="bold",
        show_header=headed,
        pad_edge=False,
        show_edge=False,
    )


def _align(table: Table) -> None:
    for column in table.columns:
        cells = [Text.from_markup(str(cell)).plain for cell in column.cells]
        filled = [cell for cell in cells if cell not in _NOTHING]
        if filled and all(_NUMBER.fullmatch(cell) and not _DATE.match(cell) for cell in filled):
            column.justify = "right"
