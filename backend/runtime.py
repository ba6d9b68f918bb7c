"""What every use case is given. Built by ``backend.bootstrap``; tests build it with fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from backend.settings import Settings
from connectors.annotation_tool import AnnotationTool


@dataclass(frozen=True, slots=True)
class Runtime:
    """The collaborators: settings, database sessions, the annotation tool, the clock.

    ``sessions`` is for writing (on SQLite it takes the write lock at once, so that nothing fails
    half-way), ``reads`` for reading only, which never waits for a writer.
    ``tool`` is a function because a web process must start, and answer its health check, before
    any token is set; the client is made once, on first use. ``encodes`` says whether this process
    may make sentence vectors: the web process only looks up those that the workers have made.
    """

    settings: Settings
    sessions: sessionmaker[Session]
    reads: sessionmaker[Session]
    tool: Callable[[], AnnotationTool]
    now: Callable[[], datetime]
    encodes: bool = True
