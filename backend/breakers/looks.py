"""When the breaker last looked, and at what: where nothing has changed it need not look again.

Kept by the process that runs the rounds, and not stored: another process, or this one started
anew, looks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session, sessionmaker

from backend.reviewers import expertise_of
from backend.runtime import Runtime
from backend.store.breaker_marks import Marks, breaker_marks
from backend.store.projects import ConnectedProject
from policies.promises import AutoAccept
from policies.schema import Policy

# Marks are counts: what they cannot tell apart is seen after this time.
AT_LEAST = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    marks: Marks
    looked_at: datetime
    found: dict[str, Any]


# One store for each factory of sessions; by project.
_LOOKS: WeakKeyDictionary[sessionmaker[Session], dict[int, _Look]] = WeakKeyDictionary()


def marks_of(runtime: Runtime, project: ConnectedProject, policy: Policy) -> Marks:
    """Everything that a look rests on: the project as it is connected, its auditors, its store."""
    accepts = isinstance(policy.auto_accept, AutoAccept)
    people = sorted(expertise_of(runtime, policy).items()) if accepts else []
    with runtime.reads() as session:
        stored = breaker_marks(session, project.id)
    return (project.policy_text, project.label_config, tuple(people), stored)


def found_before(
    runtime: Runtime, project: ConnectedProject, marks: Marks
) -> dict[str, Any] | None:
    """What the last look found, where nothing has changed since; None where a look is due."""
    last = _LOOKS.get(runtime.reads, {}).get(project.id)
    if last is None or last.marks != marks:
        return None
    age = runtime.now() - last.looked_at
    return dict(last.found) if timedelta(0) <= age < AT_LEAST else None


def keep_look(
    runtime: Runtime, project: ConnectedProject, marks: Marks, found: dict[str, Any]
) -> None:
    """Remember a look that changed nothing; ``marks`` are of before it began."""
    looks = _LOOKS.setdefault(runtime.reads, {})
    looks[project.id] = _Look(marks=marks, looked_at=runtime.now(), found=dict(found))
