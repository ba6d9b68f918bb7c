"""How far a long command is: a bar, or a turning wheel with the stage, on a terminal alone.

Whatever ends within a second shows nothing, so that quick commands do not flicker; pipes, files and
``--quiet`` see nothing at all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from backend.commands.output import err, is_quiet

SILENT_S = 1.0

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Stages:
    """Says which stage a command is in, and how far; ``bar`` is None where nobody watches."""

    bar: Progress | None
    task: TaskID

    def stage(self, word: str, total: float | None = None) -> None:
        """Begin a stage; without a total nobody knows how much there is to do."""
        if self.bar is not None:
            self.bar.update(self.task, description=word, total=total, completed=0)

    def at(self, done: float, total: float | None = None) -> None:
        """So much is done, of so much; without a total that stays as it was."""
        if self.bar is not None:
            self.bar.update(self.task, completed=done, total=total)

    def over(self, items: Iterable[Item], word: str) -> Iterator[Item]:
        """The items, one by one, as a stage of its own."""
        self.stage(word, len(items) if isinstance(items, Sized) else None)
        for place, item in enumerate(items, start=1):
            yield item
            self.at(place)


@contextmanager
def progress(
    word: str,
    total: float | None = None,
    *,
    console: Console | None = None,
    silent_s: float = SILENT_S,
) -> Iterator[Stages]:
    """Show how far the block is, from its second second on; what was shown is wiped at its end."""
    console = console or err()
    if is_quiet() or not console.is_terminal:
        yield Stages(None, TaskID(0))
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Done())
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    task = bar.add_task(word, total=total)
    later = threading.Timer(silent_s, bar.start)  # the block may compute without ever telling
    later.daemon = True
    later.start()
    try:
        yield Stages(bar, task)
    finally:
        later.cancel()
        later.join()  # it may be starting the bar just now
        bar.stop()


class _Done(TextColumn):
    """How much is done: of a total, or by itself; nothing before the first."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """As people count: whole things with their total, shares in percent."""
        if task.total is not None and task.total <= 1:
            return Text(f"{task.completed / (task.total or 1):.0%}")
        if task.total is not None:
            return Text(f"{task.completed:,.0f} of {task.total:,.0f}")
        return Text(f"{task.completed:,.0f}" if task.completed else "")
