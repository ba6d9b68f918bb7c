"""Gold: tasks whose answer is known, mixed into the queues to see how good each annotator is.

What a score comes to is decided by ``audit_jobs.gold``; here stands who is asked for what, when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from policies.sections import Section

# The part of a day's queue that asks for gold, and the stream that orders the tasks and people.
GOLD = "gold"


class Gold(Section):
    """Which tasks are gold beside Label Studio's ground truths, and what a score under par means.

    Each tier's reviewers meet those that they have not answered, blind, among their other tasks.
    """

    tasks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = Field(
        default=(),
        description="Task ids whose truth is the top tier's answer, beside the annotations that "
        "are marked as ground truth in Label Studio.",
    )
    share: Annotated[float, Field(ge=0, le=0.2)] = Field(
        default=0.0, description="Of each tier's day; 0 mixes none in."
    )
    minimum: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Share of right answers under which an annotator's answers stop counting.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldDay:
    """What a tier's gold of one day is made of.

    ``reviewers`` stand in the day's own order: who comes first gets one look more where they cannot
    be divided evenly. ``looks`` is how many the whole day has, ``given`` how many of them each
    person has had, ``room`` what is left of the tier's capacity.
    """

    reviewers: Sequence[int]
    looks: int
    given: Mapping[int, int]
    room: int


def gold_places(tasks: Mapping[int, AbstractSet[int]], day: GoldDay) -> dict[int, int]:
    """Task id -> how many more people are to answer it today.

    ``tasks`` has who answered each, in the order in which they are drawn. Everybody gets the
    first that he has not answered, so that two who are compared have met the same ones.

    >>> day = GoldDay(reviewers=[1, 2], looks=3, given={2: 1}, room=10)
    >>> gold_places({10: {1}, 11: set(), 12: {2}}, day)
    {11: 1, 12: 1}
    """
    each, over = divmod(day.looks, max(1, len(day.reviewers)))
    had = sum(day.given.get(user, 0) for user in day.reviewers)
    left = max(0, min(day.room, day.looks - had))
    places: Counter[int] = Counter()
    for place, user in enumerate(day.reviewers):
        wanted = each + (place < over) - day.given.get(user, 0)
        wanted = max(0, min(wanted, left - places.total()))
        new = [task_id for task_id, answered in tasks.items() if user not in answered]
        places.update(new[:wanted])
    return dict(places)
