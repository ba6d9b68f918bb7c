"""The whole store: the story of one large project, and of two small ones beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.store.job_runs import recent_runs
from benchmarks.large_store.stages import Stage, stage
from benchmarks.large_store.stories import LARGE, NEW, TRIPPED, play_all

FEWEST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A store that was filled: ``stage`` has its runtime, with the clock at the story's end.

    ``large``, ``new`` and ``tripped`` are the numbers of its projects: the large one, one that has
    just been connected, and one whose breaker has tripped. ``seconds`` is how long each part took,
    the large project's jobs under ``job NAME`` in all and ``longest run of NAME``.
    """

    stage: Stage
    large: int = LARGE
    new: int = NEW
    tripped: int = TRIPPED
    seconds: Mapping[str, float] = field(default_factory=dict)


def fill(folder: Path, *, decisions: int, seed: int = 8) -> Filled:
    """Make a store in a folder that has none, with so many decisions of the large project.

    The same arguments make the same rows. Those that jobs append themselves, escalations and
    recalls, come on top of ``decisions``. ValueError for fewer than ``FEWEST``: people would have
    answered all tasks before the story is over.
    """
    if decisions < FEWEST:
        raise ValueError(f"{decisions:,} decisions make no story: ask for {FEWEST:,} at least")
    began = time.monotonic()
    set_up = stage(folder, seed)
    seconds = play_all(set_up, decisions)
    return Filled(stage=set_up, seconds={**seconds, "everything": time.monotonic() - began})


def reopened(folder: Path) -> Filled:
    """A store that ``fill`` made before, at the end of its story, brought to the newest schema."""
    set_up = stage(folder, seed=0)
    with set_up.runtime.reads() as session:
        (last,) = recent_runs(session, 1)
    set_up.clock.at(last.ended_at or last.started_at)
    return Filled(stage=set_up)
