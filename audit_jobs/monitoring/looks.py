"""The newest answers of a deployed model against those that it gave first: answers, scores, data.

The reference is the first full window of the version, or the first one that is stored whole where
the oldest answers were deleted. A window is of whole days, a week by default, so that weekends are
compared with weekends; of each a random part is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from audit_jobs.drift.comparison import Comparison, Samples, compare
from audit_jobs.drift.features import as_column
from audit_jobs.drift.raising import Slice, risen_slices
from audit_jobs.drift.reference import FEWEST_NEW, LOOKS
from audit_jobs.drift.traffic import OUTPUT, Side, add_column, field_columns, output_features
from audit_jobs.measures.drift import FEWEST, Categories
from audit_jobs.measures.label_shift import LabelShare, label_shares
from backend.store.verified_inferences import (
    CountedInferences,
    KeptInferences,
    kept_inferences,
)
from policies.drift import Drift
from policies.schema import Policy

WEEK = 7
# Answers a side that are read.
MOST_READ = 2_000
# Fields of the data that are compared at most, in the order in which they stand there.
_MOST_FIELDS = 20
_MOST_NAMED = 3

Days = tuple[date, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What a look compares: days of one version, the first and the last of each."""

    model_version: str
    reference: Days
    window: Days

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model_version": self.model_version,
            "reference": [day.isoformat() for day in self.reference],
            "window": [day.isoformat() for day in self.window],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found; ``risen`` are the slices to raise, none without drift."""

    windows: Windows
    comparison: Comparison
    risen: tuple[Slice, ...]
    level: float
    read: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values, with what changed in words."""
        return {
            **self.comparison.as_json(),
            **self.windows.as_json(),
            "read": {"reference": self.read[0], "window": self.read[1]},
            "level": self.level,
            "says": self.says,
        }

    @property
    def says(self) -> str:
        """What changed, the surest first."""
        since, until = (day.isoformat() for day in self.windows.window)
        first, last = (day.isoformat() for day in self.windows.reference)
        what = f"{self.windows.model_version} from {since} to {until}, against {first} to {last}"
        if not self.comparison.drifted:
            return f"no drift found: {what}"
        changed = sorted(
            (found.p_adjusted, found.name)
            for found in self.comparison.findings
            if found.p_adjusted is not None and found.p_adjusted <= self.level
        )
        return f"{', '.join(name for _, name in changed[:_MOST_NAMED])} changed: {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose answers are looked at; ``listed`` says that they are labels of a list."""

    policy: Policy
    counted: CountedInferences
    listed: bool
    today: date


def windows_of(counted: CountedInferences, rule: Drift, oldest: date | None) -> Windows | None:
    """The windows of the version that gave the newest answers; None while there are too few days.

    ``oldest`` is the first day of which all answers are stored, None where that is every one.
    """
    version = newest_version(counted)
    if version is None:
        return None
    newest = max(counted.days.tolist())
    first = date.fromisoformat(min(counted.days[counted.versions == version].tolist()))
    start = first if oldest is None else max(first, oldest)
    days, last = timedelta(days=(rule.days or WEEK) - 1), date.fromisoformat(newest)
    if start + days >= last - days:
        return None
    return Windows(
        model_version=version, reference=(start, start + days), window=(last - days, last)
    )


def newest_version(counted: CountedInferences) -> str | None:
    """The version that gave most of the answers of the newest day."""
    if not len(counted):
        return None
    day = counted.days == max(counted.days.tolist())
    today: Counter[str] = Counter()
    for version, count in zip(
        counted.versions[day].tolist(), counted.counts[day].tolist(), strict=True
    ):
        today[version] += count
    return max(sorted(today), key=today.__getitem__)


def look(
    session: Session,
    project_id: int,
    asked: Asked,
    windows: Windows,
) -> Look | None:
    """Compare the windows, at the part of the false alarms that a look has; None for too few.

    Where the oldest answers were deleted the reference is the first window of what is stored.
    """
    policy = asked.policy
    before = _kept(session, project_id, windows.model_version, windows.reference)
    if before.of < _count(asked.counted, windows):
        left = asked.today - timedelta(days=policy.monitoring.retention_days - 1)
        later = windows_of(asked.counted, policy.drift, left)
        if later is None:
            return None
        windows = later
        before = _kept(session, project_id, windows.model_version, windows.reference)
    after = _kept(session, project_id, windows.model_version, windows.window)
    if min(len(before.ids), len(after.ids)) < FEWEST_NEW:
        return None
    return _compared(asked, windows, _side(before), _side(after))


def _compared(asked: Asked, windows: Windows, before: Side, after: Side) -> Look:
    policy = asked.policy
    shares = _label_shares(before, after) if asked.listed else None
    level = policy.drift.false_alarm / LOOKS
    comparison = compare(_samples(before, after, listed=asked.listed), shares, level)
    rule = policy.drift.model_copy(update={"fields": policy.monitoring.slices})
    return Look(
        windows=windows,
        comparison=comparison,
        risen=risen_slices(before, after, shares, rule) if comparison.drifted else (),
        level=level,
        read=(len(before.ids), len(after.ids)),
    )


def _kept(session: Session, project_id: int, version: str, days: Days) -> KeptInferences:
    return kept_inferences(session, project_id, version, days, MOST_READ)


def _count(counted: CountedInferences, windows: Windows) -> int:
    """How many answers the version gave in the reference."""
    first, last = (day.isoformat() for day in windows.reference)
    inside = (counted.days >= first) & (counted.days <= last)
    return int(counted.counts[inside & (counted.versions == windows.model_version)].sum())


def _side(kept: KeptInferences) -> Side:
    return Side(
        ids=kept.ids.tolist(),
        data=kept.data,
        values=[],
        answered=np.ones(len(kept.ids), np.bool_),
        answers=kept.predicted.tolist(),
        confidence=kept.scores,
        probabilities=None,
        unreadable=0,
    )


def _samples(before: Side, after: Side, *, listed: bool) -> Samples:
    """What the model answered, how sure it was, and the fields of the data as far as it is kept."""
    samples = Samples()
    confidence = [each for each in (before, after) if np.isfinite(each.confidence).any()]
    if len(confidence) == 2:
        samples.tested += output_features(before, after)
    if listed:
        said = [as_column(side.answers) for side in (before, after)]
        samples.tested.append(Categories(name=OUTPUT, reference=said[0], current=said[1]))
    fields = list(dict.fromkeys(field for data in before.data for field in data))
    for field in fields[:_MOST_FIELDS]:
        if _is_plain(before.data, field) and _is_plain(after.data, field):
            add_column(samples, f"field {field}", field_columns(before, after, field))
    if len(fields) > _MOST_FIELDS:
        samples.notes.append(f"the first {_MOST_FIELDS} of {len(fields)} fields are compared")
    return samples


def _is_plain(data: Sequence[Mapping[str, Any]], field: str) -> bool:
    """Whether a field holds texts, numbers or nothing; lists and objects are not compared."""
    return not any(isinstance(each.get(field), (list, dict)) for each in data)


def _label_shares(before: Side, after: Side) -> list[LabelShare]:
    enough = min(len(before.answers), len(after.answers)) >= FEWEST
    return label_shares(Counter(before.answers), Counter(after.answers), test=enough)
