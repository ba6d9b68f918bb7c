"""How long what deployed models answered is kept; counts by day, and what people said, stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store.inference_batches import forget_batches
from backend.store.inferences import (
    LOST,
    PASSED,
    blank_inferences,
    delete_inferences,
    projects_with_inferences,
)
from backend.store.projects import policy_text_of
from policies.loading import parse_policy

KEYS_KEPT = timedelta(days=30)
_CHUNK = 2_000  # rows of one transaction: other writers wait for no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many answers were deleted, how many lost their data, how many keys were dropped."""

    deleted: int = 0
    blanked: int = 0
    keys: int = 0


def forget_inferences(runtime: Runtime, chunk: int = _CHUNK) -> Forgotten:
    """Delete what was not sampled, and the data of what was, after the days that policies name.

    The days are counted from when an answer came in. What no job has looked at yet, and what waits
    to become a task, is never deleted. Disconnected projects are held to the policy that was last
    in force. Safe to cut off and to run again.
    """
    now = runtime.now()
    deleted = blanked = 0
    with runtime.reads() as session:
        policies = {
            project_id: policy_text_of(session, project_id)
            for project_id in projects_with_inferences(session)
        }
    for project_id, text in policies.items():
        if text is None:
            continue
        before = now - timedelta(days=parse_policy(text).monitoring.retention_days)
        for state in (PASSED, LOST):
            deleted += _in_chunks(runtime, _deletion(project_id, state, before, chunk), chunk)
        blanked += _in_chunks(runtime, _blanking(project_id, before, chunk), chunk)
    keys = _in_chunks(
        runtime, lambda session: forget_batches(session, now - KEYS_KEPT, chunk), chunk
    )
    return Forgotten(deleted=deleted, blanked=blanked, keys=keys)


def _deletion(
    project_id: int, state: str, before: datetime, chunk: int
) -> Callable[[Session], int]:
    return lambda session: delete_inferences(session, project_id, state, before, chunk)


def _blanking(project_id: int, before: datetime, chunk: int) -> Callable[[Session], int]:
    return lambda session: blank_inferences(session, project_id, before, chunk)


def _in_chunks(runtime: Runtime, forget: Callable[[Session], int], chunk: int) -> int:
    """Forget chunk by chunk, each in a transaction of its own, until one is not full."""
    forgotten = 0
    while True:
        with runtime.sessions.begin() as session:
            number = forget(session)
        forgotten += number
        if number < chunk:
            return forgotten
