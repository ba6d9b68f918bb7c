"""Whether a server that failed is asked again: a circuit that opens, waits, and tries once.

The states are data and the transitions pure; ``Circuit`` keeps the state of one server for all
threads of a process. Times are seconds of a clock that only goes forward.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

# Three time-outs of 30 s stay under the 100 s that Label Studio waits for an answer.
FAILURES_TO_OPEN = 3
PAUSE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitState:
    """Failures in a row, when the circuit opened (None: closed), and when it last let a try in."""

    failures: int = 0
    opened_at: float | None = None
    tried_at: float | None = None
    reason: str = ""


CLOSED = CircuitState()


def admitted(state: CircuitState, now: float) -> tuple[bool, CircuitState]:
    """Whether a question may be asked now. While open: one in ``PAUSE_S``, to try.

    A try whose asker died without a word counts as none once another pause has passed.

    >>> open_since_0 = CircuitState(failures=3, opened_at=0.0)
    >>> admitted(open_since_0, 29.0)[0], admitted(open_since_0, 31.0)[0]
    (False, True)
    >>> admitted(admitted(open_since_0, 31.0)[1], 32.0)[0]
    False
    """
    if state.opened_at is None:
        return True, state
    last = state.opened_at if state.tried_at is None else max(state.opened_at, state.tried_at)
    if now - last < PAUSE_S:
        return False, state
    return True, replace(state, tried_at=now)


def failed(state: CircuitState, now: float, reason: str) -> CircuitState:
    """After a failure: open from the third in a row on, and for another pause after a try."""
    failures = state.failures + 1
    opened_at = now if failures >= FAILURES_TO_OPEN else None
    return CircuitState(failures=failures, opened_at=opened_at, reason=reason)


class Circuit:
    """The state of one server, for all threads of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = CLOSED

    @property
    def state(self) -> CircuitState:
        """As it stands now."""
        return self._state

    def closed_for(self) -> str | None:
        """None where a question may be asked; else why not, in words."""
        with self._lock:
            may, self._state = admitted(self._state, self._clock())
            state = self._state
        if may:
            return None
        return (
            f"is not asked for now, after {state.failures} failures in a row; "
            f"the last one: {state.reason}"
        )

    def succeeded(self) -> None:
        """It answers: closed."""
        with self._lock:
            self._state = CLOSED

    def failed(self, reason: str) -> None:
        """It failed once more."""
        with self._lock:
            self._state = failed(self._state, self._clock(), reason)
