"""Drift: what of the traffic is compared with the training data, and what a change leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from policies.domain import BoolArray, Candidates, FloatArray
from policies.sections import Section, Text

# The alert that is open while the traffic is not what the model was made for, and what it is about.
DRIFT_ALERT, TRAFFIC = "drift", "traffic"
_LEAST_RISE = 0.05


class Drift(Section):
    """How traffic is watched, and how far sampling rises where it changed."""

    window: Annotated[int, Field(ge=50)] = Field(
        default=500, description="The newest tasks that are compared with the training data."
    )
    days: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Compare the tasks of so many days instead of a number of them."
    )
    false_alarm: Annotated[float, Field(gt=0, le=0.2)] = Field(
        default=0.05, description="Chance of an alarm where nothing changed, over all features."
    )
    fields: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Task fields that are compared beside what the model reads."
    )
    factor: Annotated[float, Field(ge=1, le=20)] = Field(
        default=3.0, description="How many times as much of a drifted slice is audited."
    )
    most: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="The largest share of a drifted slice that is audited."
    )
    half_life_days: Annotated[float, Field(gt=0)] = Field(
        default=14.0, description="Days after which half of the rise is gone, without new drift."
    )
    retrain: bool = Field(default=True, description="Drift asks for a training.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedSlice:
    """A part of the traffic that people see more of: ``factor`` times as much as elsewhere.

    Tasks with this predicted ``label``, or with this ``value`` of the task's ``field``; all tasks
    where both are None. ``most`` is the share that is never passed.
    """

    factor: float
    most: float
    label: str | None = None
    field: str | None = None
    value: str | None = None

    def holds(self, candidates: Candidates) -> BoolArray:
        """Which of the tasks belong to it; none where their field is not in ``candidates``."""
        inside = np.ones(len(candidates), bool)
        if self.label is not None:
            inside &= np.asarray(candidates.labels == self.label, bool)
        if self.field is not None:
            values = candidates.fields.get(self.field)
            if values is None:
                return np.zeros(len(candidates), bool)
            inside &= np.array([str(value) == self.value for value in values.tolist()], bool)
        return inside


def decayed(factor: float, days: float, half_life_days: float) -> float:
    """What is left of a rise after so many days: every half life halves what is over 1.

    Under a twentieth over 1 nothing is left of it: exactly 1.

    >>> decayed(3.0, 14, half_life_days=14)
    2.0
    """
    left = float((factor - 1) * 0.5 ** (days / half_life_days))
    return 1 + left if left >= _LEAST_RISE else 1.0


def raised_shares(
    shares: FloatArray, raised: Sequence[RaisedSlice], candidates: Candidates
) -> FloatArray:
    """The shares with every rise that applies; a task in several slices gets the largest."""
    found = shares.copy()
    for part in raised:
        inside = part.holds(candidates)
        wanted = np.maximum(shares, np.minimum(shares * part.factor, part.most))
        found[inside] = np.maximum(found[inside], wanted[inside])
    return found
