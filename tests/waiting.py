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

    ``every_s`` is short where the moment matters, and where a look costs nothing. One that takes
    long is taken seldom: it would hold up what is waited for.
    """
    deadline = time.monotonic() + patience_s
    while (began := time.monotonic()) < deadline:
        found = look()
        if found:
            return found
        took_s = time.monotonic() - began
        time.sleep(max(every_s, 2 * took_s))  # between looks; the condition ends the wait
    raise AssertionError(f"waited {patience_s:g} s in vain: {what}")
