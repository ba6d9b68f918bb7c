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

import numpy as np

from policies.domain import Estimate, FloatArray, IntArray

REPEATS = 1_000
# Fewer control answers than this tell nothing that is worth the trainings.
LEAST_TESTS = 30


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


def pooled_gains(trials: Sequence[LeftOut], seed: int = 0) -> list[StrategyGain]:
    """The gain per label of every strategy, in the order in which they first come.

    The sum of what its cycles lost over the sum of labels left out. The interval draws control
    tasks again (one draw for all cycles, whose control tasks are the same ones) and each cycle's
    training seeds, so it is about other tasks and other trainings of the same cycles.
    """
    names = list(dict.fromkeys(trial.strategy for trial in trials))
    return [_pooled([each for each in trials if each.strategy == name], seed) for name in names]


def _pooled(trials: Sequence[LeftOut], seed: int) -> StrategyGain:
    labels = sum(trial.labels for trial in trials)
    tests = np.unique(np.concatenate([trial.tests for trial in trials]))
    if labels == 0 or len(tests) == 0:
        nothing = Estimate(value=None, low=None, high=None, n=labels)
        return _gain(trials, nothing, Gain.UNKNOWN)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(tests), np.full(len(tests), 1 / len(tests)), REPEATS)
    lost, repeats = 0.0, np.zeros(REPEATS)
    for trial in trials:
        lost += float(trial.lost.mean())
        weights = drawn[:, np.searchsorted(tests, trial.tests)].astype(np.float64)
        seeds = len(trial.lost)
        picked = generator.multinomial(seeds, np.full(seeds, 1 / seeds), REPEATS) / seeds
        sums = np.einsum("rs,st,rt->r", picked, trial.lost, weights, optimize=True)
        repeats += sums / np.maximum(weights.sum(axis=1), 1.0)
    low, high = np.quantile(repeats, [0.025, 0.975]) / labels
    estimate = Estimate(value=lost / labels, low=float(low), high=float(high), n=labels)
    verdict = Gain.HELPS if low > 0 else Gain.HARMS if high < 0 else Gain.UNKNOWN
    return _gain(trials, estimate, verdict)


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
