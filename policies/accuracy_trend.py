"""Whether versions get better, have plateaued or get worse, from their answers to the holdout.

All versions answered the same holdout tasks, so the trend is taken task by task: most tasks are
right, or wrong, in every version, and say that nothing changed. The versions' accuracies taken as
if they were independent would need about ten times the answers to see the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from policies.domain import Estimate
from policies.intervals import UNKNOWN
from policies.paired import mean_difference

_WINDOW = range(5, 2, -1)  # the newest versions: five, or where they share too few tasks less
_LEAST_TASKS = 30
# It is asked after every training: at 99 % "getting worse" is said wrongly in at most one of twenty
# projects in their first twenty versions (tests/policies/test_accuracy_trend.py).
_CONFIDENCE = 0.99
_FLAT = (
    0.02  # a change of fewer points than this over the window is none (two one-sided tests, 5 %)
)
_FLAT_CONFIDENCE = 0.90


class Standing(StrEnum):
    """The four things that can be said; the value is the word that people read."""

    IMPROVING = "improving"
    PLATEAUED = "plateaued"
    WORSE = "getting worse"
    UNKNOWN = "cannot be said yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What is said of the newest ``versions`` versions, and the change of accuracy over them."""

    standing: Standing
    says: str
    change: Estimate
    versions: int

    def as_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        return {
            "standing": self.standing.value,
            "says": self.says,
            "change": self.change.as_json(),
            "versions": self.versions,
        }


def trend(answers: Sequence[Mapping[int, bool]]) -> Trend:
    """The trend of versions, oldest first; each maps a holdout task to whether it was right.

    The change is the least-squares slope over the newest versions times their distance, as the mean
    over the tasks that all of them answered, with Student's interval. Two made-up tasks, one that
    became right and one that became wrong, keep the interval from being empty where nothing
    changed.

    >>> same = [{task: True for task in range(400)}] * 3
    >>> trend(same).says
    'plateaued: +0.0 points (-0.6 to +0.6, 90 %) over the last 3 versions, 400 holdout tasks'
    """
    for versions in _WINDOW:
        window = answers[-versions:]
        if len(window) < versions:
            continue
        shared = sorted(set.intersection(*(set(each) for each in window)))
        if len(shared) >= _LEAST_TASKS:
            return _said(window, shared)
    lacking = f"it takes three versions that share {_LEAST_TASKS} answered holdout tasks"
    return Trend(
        standing=Standing.UNKNOWN,
        says=f"{Standing.UNKNOWN}: {lacking}",
        change=UNKNOWN,
        versions=min(len(answers), 3),
    )


def _said(window: Sequence[Mapping[int, bool]], shared: Sequence[int]) -> Trend:
    places = np.arange(len(window)) - (len(window) - 1) / 2
    weights = places / (places**2).sum() * (len(window) - 1)
    right = np.array([[each[task] for task in shared] for each in window], dtype=np.float64)
    changes = np.append(weights @ right, [1.0, -1.0])
    sure = mean_difference(changes, _CONFIDENCE)
    flat = mean_difference(changes, _FLAT_CONFIDENCE)
    standing, shown, level = Standing.UNKNOWN, sure, _CONFIDENCE
    if _end(sure.low) > 0:
        standing = Standing.IMPROVING
    elif _end(sure.high) < 0:
        standing = Standing.WORSE
    elif _end(flat.low) > -_FLAT and _end(flat.high) < _FLAT:
        standing, shown, level = Standing.PLATEAUED, flat, _FLAT_CONFIDENCE
    value, low, high = (100 * _end(each) for each in (shown.value, shown.low, shown.high))
    says = (
        f"{standing}: {value:+.1f} points ({low:+.1f} to {high:+.1f}, {level:.0%}) over the last "
        f"{len(window)} versions, {len(shared):,} holdout tasks"
    ).replace("%)", " %)")
    change = Estimate(value=shown.value, low=shown.low, high=shown.high, n=len(shared))
    return Trend(standing=standing, says=says, change=change, versions=len(window))


def _end(value: float | None) -> float:
    return 0.0 if value is None else value
