"""Whether audits trip a group's breaker, and up to when its accepts can still be relied on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from policies.change_detection import Detection, detect
from policies.domain import MODEL
from policies.promises import Group

_LABELS_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedAccept:
    """An accept that an auditor has answered.

    ``inclusion_probability`` is the chance that it had of being drawn, ``accepted_at`` when the
    version first accepted this label for the task, ``answered_at`` when its first auditor answered.
    """

    task_id: int
    group: Group
    label: str
    wrong: bool
    inclusion_probability: float
    accepted_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Why a breaker trips: ``audits`` and ``errors`` are those since the rate rose.

    ``rose_at`` is when the first of them was answered; ``failing`` are the accepted labels that
    were wrong, the most frequent first. ``good_until`` is the last good point, None where there is
    none: an accept of that time or before is good.
    """

    audits: int
    errors: int
    rose_at: datetime
    failing: Mapping[str, int]
    good_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a group's audits have come to: all of them, or those up to the one that trips."""

    group: Group
    max_error_rate: float
    audits: int
    errors: int
    statistic: float
    trip: Trip | None


def watched(
    group: Group, audits: Sequence[AuditedAccept], max_error_rate: float, average_run: float
) -> Watched:
    """Look at a group's audits in the order in which they were answered.

    Audits that had different chances of being drawn count by one over their chance.
    """
    ordered = sorted(audits, key=lambda each: (each.answered_at, each.task_id))
    wrong = np.array([each.wrong for each in ordered], np.bool_)
    weights = 1 / np.array([each.inclusion_probability for each in ordered], np.float64)
    found = detect(wrong, max_error_rate, weights, average_run)
    seen = ordered if found.tripped_at is None else ordered[: found.tripped_at + 1]
    return Watched(
        group=group,
        max_error_rate=max_error_rate,
        audits=len(seen),
        errors=sum(each.wrong for each in seen),
        statistic=found.statistic,
        trip=_trip(seen, found),
    )


def _trip(seen: Sequence[AuditedAccept], found: Detection) -> Trip | None:
    if found.change_at is None:
        return None
    before, since = seen[: found.change_at], seen[found.change_at :]
    wrong = [each for each in since if each.wrong]
    failing = Counter(each.label for each in wrong)
    return Trip(
        audits=len(since),
        errors=len(wrong),
        rose_at=since[0].answered_at,
        failing=dict(failing.most_common()),
        good_until=_good_until(before, wrong),
    )


def _good_until(before: Sequence[AuditedAccept], wrong: Sequence[AuditedAccept]) -> datetime | None:
    """The newest accept that was audited before the rise, and is older than all its wrong ones.

    Audits are not answered in the order of the accepts: one that came early may be of a late
    accept, and what was accepted together with a wrong one is in doubt whenever it was answered.
    """
    doubtful = min((each.accepted_at for each in wrong), default=None)
    times = [each.accepted_at for each in before]
    if doubtful is not None:
        times = [time for time in times if time < doubtful]
    return max(times, default=None)


def scope_named(model_version: str, group: Group) -> str:
    """Whose answers a breaker is about, as alerts and commands call them.

    >>> scope_named("v3", ("model", None)), scope_named("v3", ("duplicates", "spam"))
    ('v3', "v3: 'spam' by duplicates")
    """
    predictor, label = group
    words = [] if label is None else [repr(label)]
    words += [] if predictor == MODEL else [f"by {predictor}"]
    return f"{model_version}: {' '.join(words)}" if words else model_version


def why_tripped(found: Watched, trip: Trip, average_run: float) -> str:
    """The sentence that a suspension keeps, and its alert begins with."""
    first = ", ".join(
        f"{label!r} ({count})" for label, count in list(trip.failing.items())[:_LABELS_NAMED]
    )
    return (
        f"{trip.errors:,} of {trip.audits:,} audits wrong since {trip.rose_at:%Y-%m-%d %H:%M} UTC "
        f"where {found.max_error_rate:.1%} are promised, statistic {found.statistic:,.0f} over "
        f"{average_run:,.0f}; accepted wrongly: {first}"
    )
