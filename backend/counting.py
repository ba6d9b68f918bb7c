"""Use case: the sums over a project's large tables, made once a round so that no page makes them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from backend.store.counts import ProjectCounts, counts_of
from backend.store.projects import ConnectedProject


def shown_counts(session: Session, project: ConnectedProject, now: datetime) -> ProjectCounts:
    """The last counts; before the job's first run what the tables say now.

    Then what needs Label Studio (who belongs to which tier) is None: no page waits for it.
    """
    return counts_of(session, project.id) or counted(session, project, now)


def counted(session: Session, project: ConnectedProject, now: datetime) -> ProjectCounts:
    """What the tables say now, but for what needs Label Studio."""
    raise NotImplementedError
