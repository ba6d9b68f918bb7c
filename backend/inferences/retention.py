"""How long what deployed models answered is kept; counts by day, and what people said, stay."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.inference_batches import forget_batches
from backend.store.inferences import (
    DRAWN,
    LOST,
    PASSED,
    WAITING,
    blank_inferences,
    delete_inferences,
    projects_with_inferences,
)
from backend.store.projects import active_project, policy_text_of
from policies.loading import PolicyError, parse_policy

logger = logging.getLogger(__name__)

KEYS_KEPT = timedelta(days=30)
_OVER = (PASSED, LOST)  # what nothing more becomes of
_CHUNK = 2_000  # rows of one transaction: other writers wait for no more
_PAUSE_S = 0.02  # in which they get their turn: who waits for SQLite asks every 4 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many answers were deleted, how many lost their data, how many keys were dropped."""

    deleted: int = 0
    blanked: int = 0
    keys: int = 0


def forget_inferences(
    runtime: Runtime, chunk: int = _CHUNK, pause: Callable[[float], None] = time.sleep
) -> Forgotten:
    """Delete what was not sampled, and the data of what was, after the days that policies name.

    The days are counted from when an answer came in. What no job has looked at yet, and what waits
    to become a task, is never deleted while the project is connected. A disconnected one is held to
    the policy that was last in force, and as no job will ever look, what waits is deleted too. Safe
    to cut off and to run again.
    """
    now = runtime.now()
    deleted = blanked = 0

    def in_chunks(forget: Callable[[Session], int]) -> int:
        """Forget chunk by chunk, each in a transaction of its own, until one is not full."""
        forgotten = 0
        while True:
            with runtime.sessions.begin() as session:
                number = forget(session)
            forgotten += number
            if number < chunk:
                return forgotten
            pause(_PAUSE_S)

    for project_id, days in _days_by_project(runtime).items():
        before = now - timedelta(days=days)
        with runtime.reads() as session:
            connected = active_project(session, project_id) is not None
        for state in _OVER if connected else (*_OVER, WAITING, DRAWN):
            deleted += in_chunks(
                partial(
                    delete_inferences, project_id=project_id, state=state, before=before, most=chunk
                )
            )
        blanked += in_chunks(
            partial(blank_inferences, project_id=project_id, before=before, most=chunk)
        )
    keys = in_chunks(lambda session: forget_batches(session, now - KEYS_KEPT, chunk))
    return Forgotten(deleted=deleted, blanked=blanked, keys=keys)


def _days_by_project(runtime: Runtime) -> dict[int, int]:
    """How long each project keeps what was not sampled; a policy that cannot be read keeps all."""
    found: dict[int, int] = {}
    with runtime.reads() as session:
        for project_id in projects_with_inferences(session):
            try:
                policy = parse_policy(policy_text_of(session, project_id) or "")
            except PolicyError as error:
                logger.warning("inferences.all_kept project=%d error=%s", project_id, error)
                continue
            found[project_id] = policy.monitoring.retention_days
    return found
