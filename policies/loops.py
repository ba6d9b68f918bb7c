"""Loops: predict, label, retrain, promote; when each opened and closed, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise

# In the order in which they come: their times add up to the loop's.
PEOPLE, TRIGGER, TRAINING, GATE = "people", "trigger", "training", "gate"
PARTS = (PEOPLE, TRIGGER, TRAINING, GATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """From a version's first prediction to the promotion of the next, which learned from people.

    ``last_label`` is the newest human label when that training was asked for (None: none came in
    between), ``started`` when the training began, ``trained`` when the model was fitted.
    """

    version: str
    closed_by: str
    first_prediction: datetime
    last_label: datetime | None
    started: datetime
    trained: datetime
    promoted: datetime

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by part, none of them negative, though two clocks may have written the times.

        ``people`` is the wait for labels, ``trigger`` from the last of them to the beginning of the
        training, ``training`` up to the fitted model, ``gate`` from there to its promotion.
        """
        marks = [
            self.first_prediction,
            self.last_label or self.first_prediction,
            self.started,
            self.trained,
            self.promoted,
        ]
        spent = [
            (after - before).total_seconds() for before, after in pairwise(accumulate(marks, max))
        ]
        return dict(zip(PARTS, spent, strict=True))
