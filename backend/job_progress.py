"""How far a job is, said by the job itself to whoever runs it; to nobody where nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Stage in words, and the share of it that is done (0 to 1), None where that is not known.
Listener = Callable[[str, float | None], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def progress(stage: str, share: float | None = None) -> None:
    """Say how far the work is, as often as is handy: it costs nothing where nobody listens."""
    listener = _listener.get()
    if listener is not None:
        listener(stage, None if share is None else min(max(share, 0.0), 1.0))


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within the block all progress of this thread is told to the listener."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)
