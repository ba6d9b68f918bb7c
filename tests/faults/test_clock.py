"""The machine's clock jumps, forward and back: the loop goes on, and no lease outlives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.loops import nothing_is_lost_or_doubled, the_loop_goes_on
from tests.faults.people import at_work
from tests.faults.plant import Plant

pytestmark = pytest.mark.label_studio

_LIBRARY = "faketime/libfaketimeMT.so.1"

_SLEEPS = """\
import select
import time

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""


class Clock:
    """What the clock of processes under libfaketime shows: the machine's, moved by some seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move(0)

    def move(self, seconds: int) -> None:
        """From now on it differs by so much; with one write, for it is read at any moment."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}\n", "ascii")
        draft.replace(self._file)

    def _sleeping_again(self) -> Path:
        """A folder of code that every Python process runs as it starts.

        libfaketime 0.9.10 refuses to sleep until a moment of the monotonic clock, which is how
        Python sleeps; all other waiting it leaves alone.
        """
        folder = self._file.with_suffix(".site")
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_SLEEPS, "ascii")
        return folder

    def environment(self, library: Path) -> dict[str, str]:
        """What lets a process, and all that it starts, go by this clock."""
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # A clock that is set moves neither what counts seconds nor the times of files.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": f"{self._sleeping_again()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        }


@contextmanager
def moved_clock(plant: Plant, file: Path) -> Iterator[Clock]:
    """Labelgate on a clock that the test sets; after the block on the machine's again."""
    library = next(Path("/usr/lib").glob(f"*/{_LIBRARY}"), None)
    if library is None:
        reason = "no libfaketime: install it (Debian: libfaketime)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    clock = Clock(file)
    plant.stop_serving()
    plant.start(clock.environment(library))
    try:
        yield clock
    finally:
        plant.stop_serving()
        plant.start()


@pytest.mark.long
def test_the_loop_goes_on_when_the_clock_is_set(plant: Plant, tmp_path: Path) -> None:
    with moved_clock(plant, tmp_path / "clock") as clock:
        with at_work(plant, seed=500):
            the_loop_goes_on(plant)
            clock.move(2 * 86_400)
            the_loop_goes_on(plant)
            plant.kill("scheduler")  # it leaves its leases behind
            clock.move(0)  # two days back
            the_loop_goes_on(plant)
        nothing_is_lost_or_doubled(plant)
