"""The one look of all commands: where things are printed, and what tables look like.

What was asked for goes to standard output, and nothing else: with ``--json`` one JSON document.
Notes and progress go to standard error, so that a pipe gets the data alone; ``--quiet`` leaves them
out. Colours are for terminals, and NO_COLOR turns them off (https://no-color.org).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

import click
import orjson
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

# Without a terminal nobody sees where lines end: tables are as wide as they need to be, within
# reason, because rich fills what it is given.
_WIDTH_OF_A_FILE = 160
_NUMBER = re.compile(r"[-+±~<>≤≥$€]? ?\d[\d,.: ]*( ?(%|pp|s|ms|MB|GB|to|[-±] ?[\d,.%]+))*")
_NOTHING = {"", "-"}


def out() -> Console:
    """Standard output."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error: notes, progress, and what went wrong."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        return console
    width = shutil.get_terminal_size((_WIDTH_OF_A_FILE, 25)).columns  # COLUMNS, where it is set
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=width)


def is_quiet() -> bool:
    """Whether `labelgate --quiet` was said."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("quiet"))


def tell(text: str) -> None:
    """A line of what was asked for."""
    click.echo(text)


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


def show(*shown: RenderableType) -> None:
    """Tables, one below the other."""
    for each in shown:
        out().print(each)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table in the look of all commands; columns that hold nothing but numbers are aligned right.

    None is shown as a dash. A cell may be a ``Text`` with a style of its own.
    """
    cells = [[_cell(each) for each in row] for row in rows]
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    for place, column in enumerate(columns):
        numbers = [row[place].plain for row in cells]
        made.add_column(column, justify="right" if _all_numbers(numbers) else "left")
    for row in cells:
        made.add_row(*row)
    return made


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    return Text("-" if value is None else str(value))


def _all_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell not in _NOTHING]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
