"""What a human label is worth by the part of the queue that asked for it.

Of each cycle's new labels one strategy's are left out, the model is trained again, and both models
answer the same random control tasks: what is lost, divided by the labels left out, is the gain per
label (leave one out, as Ghorbani and Zou 2019 name it beside the Shapley value, "Data Shapley").
One cycle says next to nothing (a spread of several times the gain), so cycles are pooled, and "not
distinguishable" is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.domain import Estimate, FloatArray, IntArray

REPEATS = 1_000
_AT_ONCE = 100  # repeats, which are eight bytes a task while they are drawn
# Fewer control answers than this tell nothing that is worth the trainings.
LEAST_TESTS = 30

CountArray = NDArray[np.uint16]


class Gain(StrEnum):
    """What the pooled cycles say of a strategy's labels."""

    HELPS = "helps"
    HARMS = "harms"
    UNKNOWN = "not distinguishable"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One cycle without one strategy's labels.

    ``labels`` is how many were left out. ``lost`` has a row a seed and a column a control task: 1
    where the model of all labels is right and the one without these is wrong, -1 where it is the
    other way round, 0 where both are alike. ``tests`` are the control tasks' ids.
    """

    strategy: str
    labels: int
    tests: IntArray
    lost: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyGain:
    """Accuracy per human label, pooled over cycles; ``n`` of the estimate counts those labels."""

    strategy: str
    per_label: Estimate
    cycles: int
    verdict: Gain


class Redraws:
    """Control tasks drawn again, ``REPEATS`` times; the last number of tasks is not drawn anew.

    A draw of many tasks is dear, and who pools some cycles after others mostly asks for the same.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._of = -1
        self._counts: CountArray = np.zeros((0, 0), np.uint16)
        self._after: Mapping[str, Any] = {}

    def of(self, tasks: int) -> tuple[CountArray, np.random.Generator]:
        """How often each repeat (a row) draws each task, and a generator that goes on from there.

        Both hang on the seed and the number of tasks alone.
        """
        generator = np.random.default_rng(self._seed)
        if tasks == self._of:
            generator.bit_generator.state = self._after
            return self._counts, generator
        chances = np.full(tasks, 1 / tasks)
        parts = [
            # One of n tasks is drawn once on average: no count comes near the end of 16 bits.
            generator.multinomial(tasks, chances, _AT_ONCE).astype(np.uint16)
            for _ in range(REPEATS // _AT_ONCE)
        ]
        self._of, self._counts = tasks, np.concatenate(parts)
        self._after = generator.bit_generator.state
        return self._counts, generator


def pooled_gains(trials: Sequence[LeftOut], redraws: Redraws | None = None) -> list[StrategyGain]:
    """The gain per label of every strategy, in the order in which they first come.

    The sum of what its cycles lost over the sum of labels left out. The interval draws control
    tasks again (one draw for all cycles, whose control tasks are the same ones) and each cycle's
    training seeds, so it is about other tasks and other trainings of the same cycles. ``redraws``
    are those of who pools more than once: the result is the same without them.
    """
    redraws = redraws or Redraws()
    names = list(dict.fromkeys(trial.strategy for trial in trials))
    return [_pooled([each for each in trials if each.strategy == name], redraws) for name in names]


def _pooled(trials: Sequence[LeftOut], redraws: Redraws) -> StrategyGain:
    labels = sum(trial.labels for trial in trials)
    tests = np.unique(np.concatenate([trial.tests for trial in trials]))
    if labels == 0 or len(tests) == 0:
        nothing = Estimate(value=None, low=None, high=None, n=labels)
        return _gain(trials, nothing, Gain.UNKNOWN)
    drawn, generator = redraws.of(len(tests))
    lost, repeats = 0.0, np.zeros(REPEATS)
    for trial in trials:
        lost += float(trial.lost.mean())
        places = np.searchsorted(tests, trial.tests)
        differed = trial.lost.any(axis=0)  # few tasks: the others add nothing to any sum
        weights = drawn[:, places[differed]].astype(np.float64)
        seeds = len(trial.lost)
        picked = generator.multinomial(seeds, np.full(seeds, 1 / seeds), REPEATS) / seeds
        sums = np.einsum("rs,st,rt->r", picked, trial.lost[:, differed], weights, optimize=True)
        repeats += sums / np.maximum(_drawn_among(drawn, places), 1)
    low, high = np.quantile(repeats, [0.025, 0.975]) / labels
    estimate = Estimate(value=lost / labels, low=float(low), high=float(high), n=labels)
    verdict = Gain.HELPS if low > 0 else Gain.HARMS if high < 0 else Gain.UNKNOWN
    return _gain(trials, estimate, verdict)


def _drawn_among(drawn: CountArray, places: IntArray) -> IntArray:
    """How many of each repeat's tasks are in these places: all but those in the other few."""
    others = np.ones(drawn.shape[1], bool)
    others[places] = False
    missing = drawn[:, others].sum(axis=1, dtype=np.int64)
    return np.asarray(drawn.shape[1] - missing, np.int64)


def _gain(trials: Sequence[LeftOut], estimate: Estimate, verdict: Gain) -> StrategyGain:
    return StrategyGain(
        strategy=trials[0].strategy, per_label=estimate, cycles=len(trials), verdict=verdict
    )


def compared(gains: Sequence[StrategyGain]) -> str:
    """Whether any strategy is worth more than the others, in words; on intervals, never on values.

    >>> compared([])
    'no cycle has been measured yet'
    """
    known = [each for each in gains if each.per_label.value is not None]
    if not known:
        return "no cycle has been measured yet"
    best = max(known, key=lambda each: each.per_label.value or 0.0)
    others = [each.per_label.high or 0.0 for each in known if each is not best]
    if others and (best.per_label.low or 0.0) > max(others):
        return f"labels asked for by {best.strategy} are worth most"
    return "not distinguishable: no strategy's labels are worth more than another's"


def as_json(gains: Sequence[StrategyGain]) -> dict[str, Mapping[str, object]]:
    """By strategy: the gain per label with its interval, labels, cycles and the verdict."""
    return {
        each.strategy: {
            "per_label": each.per_label.as_json(),
            "labels": each.per_label.n,
            "cycles": each.cycles,
            "verdict": each.verdict.value,
        }
        for each in gains
    }
