"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 240.0
Found = TypeVar("Found")


def until(
    look: Callable[[], Found | None],
    what: str,
    patience_s: float = PATIENCE_S,
    *,
    every_s: float = 0.2,
) -> Found:
    """What ``look`` finds, as soon as it finds anything; fails with ``what`` after a while.

    ``every_s`` is short where the moment matters, and where a look costs nothing.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every_s)  # between looks; the condition ends the wait
    raise AssertionError(f"waited {patience_s:g} s in vain: {what}")
