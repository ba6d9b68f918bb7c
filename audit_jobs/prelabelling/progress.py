"""How far the pre-labelling is: a bar for who looks on, a line now and then for a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy.exc import OperationalError

from backend.commands.output import err, is_quiet, note
from backend.store.prelabels import PrelabelCounts

Look = Callable[[], PrelabelCounts]

_LOOK_S = 1.0
_LINE_S = 30.0
# Looking takes no more than this share of the time, however large the project is.
_LOOKING = 0.05
# Labels come in bursts where the model is slow: the rate is that of the last ten minutes.
_RATE_S = 600.0


@contextmanager
def watched(look: Look) -> Iterator[None]:
    """Show how far it is until the block ends; read off the store, whoever does the work."""
    if is_quiet():
        yield
        return
    if not sys.stderr.isatty():
        with _looking(look, _LINE_S, Lines(before=look(), began=time.monotonic()).show):
            yield
        return
    columns = (TextColumn("pre-labelling"), BarColumn(), MofNCompleteColumn(), _Rate())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=err(),
        speed_estimate_period=_RATE_S,
    ) as progress:
        before = look()
        task = progress.add_task("", total=before.asked, completed=before.done)

        def show(found: PrelabelCounts) -> None:
            progress.update(task, total=found.asked, completed=found.done)

        with _looking(look, _LOOK_S, show):
            yield
        show(look())


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Tasks a second, once there is one."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} tasks/s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Progress for a log; ``began`` is when the counts were as ``before``, in seconds."""

    before: PrelabelCounts
    began: float

    def show(self, found: PrelabelCounts) -> None:
        """Print one line to standard error."""
        note(self.line(found, time.monotonic()))

    def line(self, found: PrelabelCounts, now: float) -> str:
        """How many are done, how fast, and how long the others take at that rate."""
        said = f"pre-labelling: {found.done:,} of {found.asked:,} tasks"
        new = found.done - self.before.done
        if new <= 0:
            return said
        rate = new / (now - self.began)
        minutes, seconds = divmod(round(found.waiting / rate), 60)
        return f"{said}, {rate:,.1f} tasks/s, {minutes:,} min {seconds:02} s left"


@contextmanager
def _looking(look: Look, every_s: float, show: Callable[[PrelabelCounts], None]) -> Iterator[None]:
    """Look in a thread of its own, until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        wait = every_s
        while not ended.wait(wait):
            began = time.thread_time()
            try:
                show(look())
            except OperationalError:  # the store is busy: the work says what is wrong with it
                continue
            wait = max(every_s, (time.thread_time() - began) / _LOOKING)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
