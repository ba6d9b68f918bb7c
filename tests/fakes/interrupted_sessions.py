"""A runtime on which something happens right before a certain transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy.orm import Session, sessionmaker

from backend.runtime import Runtime


@dataclass
class InterruptedSessions:
    """Calls what is wanted before the n-th transaction begins, counted from 1."""

    sessions: sessionmaker[Session]
    before: Mapping[int, Callable[[], Any]]
    begun: int = 0

    def begin(self) -> AbstractContextManager[Session]:
        self.begun += 1
        if self.begun in self.before:
            self.before[self.begun]()
        return self.sessions.begin()


def interrupted(runtime: Runtime, before: Mapping[int, Callable[[], Any]]) -> Runtime:
    """The same runtime; ``before`` says what happens before which of its write transactions.

    What raises is a crash; what runs a use case is another process that was faster.
    """
    sessions = InterruptedSessions(sessions=runtime.sessions, before=before)
    return replace(runtime, sessions=cast("sessionmaker[Session]", sessions))
