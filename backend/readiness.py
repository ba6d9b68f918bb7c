"""Whether a process can do its work: the database answers, at the schema of this program.

Being there is another question, which ``/health`` answers without asking anybody: a database that
is away for a minute must not make Label Studio forget its ML backend.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from backend.store.schema import schema_state

logger = logging.getLogger(__name__)

FRESH_S = 1.0
PATIENCE_S = 3.0  # below the 5 s that a probe of a container platform waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """``problem`` is None where the process can work; it holds no address and no secret."""

    schema: str | None = None
    problem: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether work may be given to the process."""
        return self.problem is None


def look(reads: sessionmaker[Session]) -> Readiness:
    """Ask the database for its schema. What its driver says goes to the log alone."""
    try:
        with reads() as session:
            state = schema_state(session.connection())
    except SQLAlchemyError as error:
        logger.warning("database.away error=%s", str(getattr(error, "orig", error)).strip())
        return Readiness(problem="the database does not answer")
    if state.is_newest:
        return Readiness(schema=state.current)
    if not state.is_known:
        return Readiness(
            schema=state.current,
            problem=f"the database has schema {state.current}, which is newer than this program, "
            f"which works with {state.head}",
        )
    return Readiness(
        schema=state.current,
        problem=f"the database has schema {state.current or 'none'}, this program works with "
        f"{state.head}: run `labelgate migrate`",
    )


class Lookout:
    """The newest look, at most a second old, made by one thread while the others wait for it.

    Probes cost a look a second, however many there are, and a database that hangs holds one thread
    and no more: whoever has waited for ``patience_s`` is told that it does not answer.
    """

    def __init__(
        self,
        looks: Callable[[], Readiness],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._looks = looks
        self._clock = clock
        self._patience_s = patience_s
        self._looking = threading.Lock()
        self._last: tuple[float, Readiness] | None = None

    def now(self) -> Readiness:
        """How things stand."""
        fresh = self._fresh()
        if fresh is not None:
            return fresh
        if not self._looking.acquire(timeout=self._patience_s):
            return Readiness(problem=f"the database has not answered for {self._patience_s:g} s")
        try:
            seen = self._fresh()
            if seen is None:
                seen = self._looks()
                self._last = (self._clock(), seen)
            return seen
        finally:
            self._looking.release()

    def _fresh(self) -> Readiness | None:
        last = self._last
        return None if last is None or self._clock() - last[0] >= FRESH_S else last[1]
