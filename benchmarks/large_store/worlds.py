"""What is true of each task, and what a model of some skill says of it.

A task is easy or hard for every version alike, and better versions get right what worse ones did
and more: that is how real versions differ. The scores are calibrated, but for texts that came after
the wording had changed: a version that has not learned from such texts is surer than it may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.predictors.protocol import Asked, Predicted
from benchmarks.large_store.texts import CHANGING, LABELS, SHARES, TAKEN_FOR
from policies.conditions import ENTROPY, MARGIN
from policies.domain import BoolArray, FloatArray, IntArray, ObjectArray

_SPREAD = 1.6  # of how hard tasks are, in log odds
_SURPRISE = 3.5  # what new wording takes from a version's log odds, unknown to the version
_SECOND_GUESS = 0.25  # of the wrong answers: not the likeliest wrong label but the next


@dataclass(slots=True, kw_only=True)
class World:
    """Tasks ``first``, ``first + 1``, ... in columns; ``later`` came in the new wording.

    ``ease`` is how easy a task is, ``luck`` decides whether a model of some chance is right.
    """

    first: int
    topics: IntArray
    ease: FloatArray
    luck: FloatArray
    wrong: IntArray
    later: BoolArray

    def __len__(self) -> int:
        return len(self.topics)

    def places(self, task_ids: IntArray) -> IntArray:
        """Where these tasks stand in the columns."""
        return task_ids - self.first

    def truths(self, places: IntArray) -> ObjectArray:
        """The true labels."""
        return _NAMES[self.topics[places]]

    def mistakes(self, places: IntArray) -> ObjectArray:
        """What who errs says of them."""
        return _NAMES[self.wrong[places]]


_NAMES: ObjectArray = np.array(LABELS, object)
_PLACES = {label: place for place, label in enumerate(LABELS)}
_WRONG: IntArray = np.array(
    [[_PLACES[other] for other in TAKEN_FOR[label]] for label in LABELS], np.int64
)
_CHANGES: BoolArray = np.array([label in CHANGING for label in LABELS], np.bool_)


def world(rng: np.random.Generator, first: int, tasks: int, later_from: int) -> World:
    """A world of so many tasks; those from ``later_from`` on (a place) speak the new way."""
    topics = rng.choice(len(LABELS), size=tasks, p=SHARES).astype(np.int64)
    second = (rng.random(tasks) < _SECOND_GUESS).astype(np.int64)
    return World(
        first=first,
        topics=topics,
        ease=rng.normal(0, _SPREAD, tasks),
        luck=rng.random(tasks),
        wrong=_WRONG[topics, second],
        later=np.arange(tasks) >= later_from,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUpModel:
    """A version in that world: a ``Predictor`` whose answers come from what is true.

    ``skill`` is its log odds of being right on a task of middling ease, ``knows_later`` whether it
    has learned from the new wording.
    """

    version: str
    world: World
    skill: float
    knows_later: bool
    labels: tuple[str, ...] = field(default=LABELS)

    def predict(self, asked: Asked) -> Predicted:
        """The answers to tasks of its world, by their ids."""
        places = self.world.places(np.asarray(asked.task_ids, np.int64))
        odds = self.skill + self.world.ease[places]
        scores = _shares(odds)
        surprised = self.world.later[places] & _CHANGES[self.world.topics[places]]
        true_odds = odds - _SURPRISE * (surprised & (not self.knows_later))
        right = self.world.luck[places] < _shares(true_odds)
        texts = np.where(right, self.world.truths(places), self.world.mistakes(places))
        return Predicted(
            texts=texts.astype(object),
            scores=scores,
            problems=np.full(len(places), None, object),
            signals=_signals(scores),
        )


def _shares(odds: FloatArray) -> FloatArray:
    shares: FloatArray = 1 / (1 + np.exp(-odds))
    return np.clip(shares, 0.15, 0.999)


def _signals(scores: FloatArray) -> Mapping[str, Any]:
    """As if what is left were split two to one between the next two labels."""
    second = (1 - scores) * 2 / 3
    third = (1 - scores) / 3
    parts = np.stack([scores, second, third])
    entropy = -(parts * np.log(np.clip(parts, 1e-12, 1))).sum(axis=0) / np.log(len(LABELS))
    return {MARGIN: np.abs(scores - second), ENTROPY: entropy}
