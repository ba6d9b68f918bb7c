"""How much memory a process beside the serving ones may take."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from backend.settings import Settings

_MEMORY_SHARE = 0.75  # of the machine: the rest is for what serves
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_limit_mb(settings: Settings) -> int | None:
    """What a process of its own may take; None where this system knows no limit."""
    if settings.train_memory_mb is not None:
        return settings.train_memory_mb
    if not sys.platform.startswith("linux"):
        return None
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # none, or "max"
            there = min(there, int(path.read_text(encoding="ascii")))
    return int(_MEMORY_SHARE * there / 1_000_000)
