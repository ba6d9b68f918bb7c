"""Against what the traffic is compared, and when it is worth another look (docs/adr/0012).

The reference is the traffic that the serving version's training data came from: the tasks that
were known when it was trained. The training data themselves were picked (by uncertainty, by
people's mistakes), so all traffic would differ from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.store.models import ModelVersion
from backend.store.reports import Report

# New tasks under which nothing is looked at.
FEWEST_NEW = 50
# Looks while a window's worth of new tasks comes in; each spends so much of the false alarms.
LOOKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A drift that was acted on; ``tasks_since`` is when the first of its tasks became known."""

    at: datetime
    tasks_since: datetime
    model_version: str

    def as_json(self) -> dict[str, str]:
        """Plain values for the report."""
        return {
            "at": self.at.isoformat(),
            "tasks_since": self.tasks_since.isoformat(),
            "model_version": self.model_version,
        }


def event_of(report: Report | None) -> Event | None:
    """The drift that a report still heeds."""
    stored = None if report is None else report.body.get("event")
    if stored is None:
        return None
    return Event(
        at=datetime.fromisoformat(stored["at"]),
        tasks_since=datetime.fromisoformat(stored["tasks_since"]),
        model_version=stored["model_version"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The tasks of the reference: those that became known in this time; ``why`` in words."""

    since: datetime | None
    until: datetime
    why: str

    def as_json(self) -> dict[str, str | None]:
        """Plain values for the report."""
        since = None if self.since is None else self.since.isoformat()
        return {"what": self.why, "since": since, "until": self.until.isoformat()}


def reference_period(
    model: ModelVersion, event: Event | None, certified_at: datetime | None
) -> Period:
    """The time from which the reference comes.

    After drift it begins with the tasks that showed it: a version that was trained later is made
    for them, and so is one whose promise was proved anew on answers that were given later.
    """
    known = f"the tasks that were known when {model.version} was trained"
    if event is None:
        return Period(since=None, until=model.trained_at, why=known)
    if model.trained_at > event.at:
        why = f"{known}, since the last drift"
        return Period(since=event.tasks_since, until=model.trained_at, why=why)
    if certified_at is not None and certified_at > event.at:
        why = f"the tasks since the last drift, until {model.version} was certified anew"
        return Period(since=event.tasks_since, until=certified_at, why=why)
    return Period(since=None, until=model.trained_at, why=known)


def step_of(window: int) -> int:
    """How many new tasks there must be before another look."""
    return max(math.ceil(window / LOOKS), 1)


def same_reference(period: Period, last: Report | None) -> bool:
    """Whether the last look was at the same reference."""
    if last is None:
        return False
    before: dict[str, Any] = last.body.get("reference") or {}
    now = period.as_json()
    return all(before.get(name) == now[name] for name in now)
