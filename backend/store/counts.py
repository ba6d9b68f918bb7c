"""The counts of a project's large tables as the job ``counts`` last made them.

Pages and ``/metrics`` read these; what needs the exact number of this moment counts by
``backend.store.figures``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.store.rollups import COUNTS, Rollup, rollup_of, rollups, store_rollup
from policies.spending import Saving
from policies.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One view: how many tasks it holds unanswered, and how many were answered.

    That of the audits counts those in the mirror project too.

    ``escalated`` is how many contested tasks wait for the tier, in the view or for a place in it.
    """

    name: str
    open: int
    answered: int
    escalated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierDay:
    """What a tier has answered since midnight (UTC), of what it can answer in a day.

    Every look counts: of its own view, and of control, holdout, audits and gold.
    """

    answered: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCounts:
    """A project's sums over tasks, answers, decisions and deliveries.

    ``decisions`` counts the current decisions by "outcome/purpose", ``deliveries`` by state.
    ``labelled_tasks`` have a person's label, ``accepted`` ones a label that nobody has looked at,
    ``waiting`` ones are in no view and not accepted. ``accepted_this_week`` is how many of
    ``accepted`` were written into Label Studio in the seven days before ``as_of``.

    ``saved`` is about all accepts that stand and all that they took so far, ``saved_this_week``
    about those of these seven days: an accept that was taken back meanwhile is in neither.

    ``labels_this_week`` (by tier, in those seven days), ``today`` (by tier), ``saved_this_week``
    and ``saved`` are None where nobody has asked Label Studio yet who belongs to which tier: before
    the job's first run.
    """

    tasks: int
    human_labels: int
    labelled_tasks: int
    accepted: int
    accepted_this_week: int
    waiting: int
    decisions: Mapping[str, int]
    deliveries: Mapping[str, int]
    queues: tuple[Queue, ...]
    labels_this_week: Mapping[str, int] | None
    today: Mapping[str, TierDay] | None
    saved_this_week: Saving | None
    saved: Saving | None
    stage: Stage
    as_of: datetime


def counts_of(session: Session, project_id: int) -> ProjectCounts | None:
    """The last counts of a project, true at ``as_of``; None before the job's first run.

    A page that is asked before that may count by itself: ``backend.counting.shown_counts``.
    """
    found = rollup_of(session, project_id, COUNTS)
    return None if found is None else _counts(found)


def all_counts(session: Session, projects: Collection[int]) -> dict[int, ProjectCounts]:
    """Project -> its last counts, in one query; those without any are left out."""
    found = rollups(session, COUNTS, projects)
    return {project: _counts(each) for project, each in found.items()}


def store_counts(
    session: Session, project_id: int, counts: ProjectCounts, kept: Mapping[str, Any]
) -> None:
    """Keep the counts in the place of the last ones.

    ``kept`` is what the job wants to know next time, see ``kept_with_counts``.
    """
    body = {**asdict(counts), "kept": dict(kept)}
    del body["as_of"]
    store_rollup(session, project_id, COUNTS, Rollup(body=body, made_at=counts.as_of))


def kept_with_counts(session: Session, project_id: int) -> Mapping[str, Any]:
    """What the job kept with its last counts; nothing before its first run."""
    found = rollup_of(session, project_id, COUNTS)
    return {} if found is None else found.body["kept"]


def _counts(rollup: Rollup) -> ProjectCounts:
    body = {name: value for name, value in rollup.body.items() if name != "kept"}
    body["queues"] = tuple(Queue(**each) for each in body["queues"])
    today = body["today"]
    if today is not None:
        body["today"] = {tier: TierDay(**day) for tier, day in today.items()}
    for name in ("saved_this_week", "saved"):
        body[name] = None if body[name] is None else Saving(**body[name])
    return ProjectCounts(**body | {"stage": Stage(body["stage"]), "as_of": rollup.made_at})
