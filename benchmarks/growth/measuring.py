"""One work at one size, measured in a process of its own: started here, and what it does."""

from __future__ import annotations

import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.growth.rows import fill
from benchmarks.growth.works import COLUMNS, OWN, STORED, Timed
from benchmarks.large_store.stages import BEGINNING, STORY, stage
from benchmarks.large_store.texts import CONFIG

FILL = "fill"
_PEAK_UNIT = 1_000_000 if sys.platform == "darwin" else 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: seconds of the processor and by the clock, megabytes at the most (resident).

    ``before_mb`` is the most that the process had held when the work began: what it works on.
    """

    work: str
    size: int
    cpu_s: float
    wall_s: float
    before_mb: float
    peak_mb: float

    @property
    def own_mb(self) -> float:
        """What the work took beyond what was there before."""
        return max(0.0, self.peak_mb - self.before_mb)


def measured(work: str, size: int, folder: Path, database_url: str | None) -> Measured:
    """Run this work in a process of its own; RuntimeError where it failed (it says why itself).

    The process is forked: what all works import is imported once, and its memory counts for none.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    asked = (work, size, folder, database_url)
    process = context.Process(target=_measure, args=(sending, asked))
    process.start()
    sending.close()
    try:
        found: Measured = receiving.recv()
    except EOFError:
        raise RuntimeError(f"{work} of {size:,} failed: see above") from None
    finally:
        process.join()
    return found


def _measure(sending: Connection, asked: tuple[str, int, Path, str | None]) -> None:
    work, size, shared, database_url = asked
    logging.disable(logging.CRITICAL)  # what the made-up traffic is warned of
    with tempfile.TemporaryDirectory(dir=shared) as own:
        do = _prepared(work, size, (shared, Path(own)), database_url)
        before = _peak_mb()
        began, began_work = time.perf_counter(), time.process_time()
        do()
        found = Measured(
            work=work,
            size=size,
            cpu_s=time.process_time() - began_work,
            wall_s=time.perf_counter() - began,
            before_mb=before,
            peak_mb=_peak_mb(),
        )
    sending.send(found)


def _prepared(work: str, size: int, folders: tuple[Path, Path], database: str | None) -> Timed:
    shared, own = folders
    if work in COLUMNS:
        return COLUMNS[work](size)
    if work in OWN:
        return OWN[work](stage(own, seed=1), size)
    filled = stage(shared, seed=1, database_url=database)
    if work == FILL:
        return lambda: fill(filled, size)
    filled.server.add_project("filled", CONFIG)
    filled.clock.at(BEGINNING + STORY)
    return STORED[work](filled, size)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PEAK_UNIT
