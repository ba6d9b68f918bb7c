"""How far a job is, said by the job itself to whoever runs it; to nobody where nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Stage in words, and the share of it that is done (0 to 1), None where that is not known.
Listener = Callable[[str, float | None], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_ends: ContextVar[Callable[[], bool] | None] = ContextVar("ends", default=None)


class GivenBackError(Exception):
    """The process is to end, so the job was left where it could be: the next run takes it up."""


def progress(stage: str, share: float | None = None) -> None:
    """Say how far the work is, as often as is handy: it costs nothing where nobody listens.

    A job says it where it could as well be killed, so that it is here that it is given back.

    Raises
        GivenBackError: the process is to end.
    """
    if is_to_end():
        raise GivenBackError
    listener = _listener.get()
    if listener is not None:
        listener(stage, None if share is None else min(max(share, 0.0), 1.0))


def is_to_end() -> bool:
    """Whether the process is to end, so that nothing new should be begun."""
    ends = _ends.get()
    return ends is not None and ends()


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within the block all progress of this thread is told to the listener."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


@contextmanager
def given_back_when(ends: Callable[[], bool]) -> Iterator[None]:
    """Within the block this thread's jobs are left at their next word once ``ends`` says so."""
    before = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(before)
