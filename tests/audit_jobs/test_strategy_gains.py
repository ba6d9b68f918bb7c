"""Gain per label by strategy: planted gains are found, noise is called noise."""

from __future__ import annotations

import numpy as np
import pytest

from audit_jobs.measures.strategy_gains import (
    REPEATS,
    Gain,
    LeftOut,
    Redraws,
    as_json,
    compared,
    pooled_gains,
)

TESTS, SEEDS, CYCLES = 300, 3, 6


def cycles(
    generator: np.random.Generator, strategy: str, better: float, worse: float, labels: int = 50
) -> list[LeftOut]:
    """Control tasks that the labels turn right, and that they turn wrong, with these chances."""
    found = []
    for cycle in range(CYCLES):
        tests = np.arange(TESTS + 10 * cycle, dtype=np.int64)
        base = generator.choice([1.0, -1.0, 0.0], len(tests), p=[better, worse, 1 - better - worse])
        noise = generator.choice([1.0, -1.0, 0.0], (SEEDS, len(tests)), p=[0.01, 0.01, 0.98])
        lost = np.clip(base + noise, -1, 1)
        found.append(LeftOut(strategy=strategy, labels=labels, tests=tests, lost=lost))
    return found


def test_a_planted_gain_is_found_and_noise_is_not_called_one() -> None:
    generator = np.random.default_rng(1)
    trials = cycles(generator, "uncertainty", 0.05, 0.01) + cycles(generator, "random", 0.02, 0.02)
    uncertainty, chance = pooled_gains(trials)
    assert uncertainty.verdict is Gain.HELPS
    assert uncertainty.per_label.value == pytest.approx(0.04 / 50, rel=0.3)
    assert uncertainty.per_label.n == 50 * CYCLES
    assert chance.verdict is Gain.UNKNOWN
    assert compared([uncertainty, chance]) == "labels asked for by uncertainty are worth most"


def test_harm_is_called_harm() -> None:
    [found] = pooled_gains(cycles(np.random.default_rng(2), "known_failures", 0.01, 0.05))
    assert found.verdict is Gain.HARMS


@pytest.mark.simulation
def test_labels_that_are_worth_nothing_are_called_worth_something_at_most_as_often_as_said() -> (
    None
):
    """95 % intervals: in 200 worlds without any gain, about ten miss 0, never more than twenty."""
    generator = np.random.default_rng(3)
    missed = sum(
        pooled_gains(cycles(generator, "random", 0.02, 0.02))[0].verdict is not Gain.UNKNOWN
        for _ in range(200)
    )
    assert missed <= 20


def test_what_cannot_be_told_is_not_told() -> None:
    none = LeftOut(strategy="random", labels=0, tests=np.arange(3), lost=np.zeros((1, 3)))
    [found] = pooled_gains([none])
    assert (found.per_label.value, found.verdict) == (None, Gain.UNKNOWN)
    assert compared([found]) == "no cycle has been measured yet"
    assert as_json([found])["random"]["verdict"] == "not distinguishable"
    assert pooled_gains([]) == []


def test_two_strategies_that_overlap_are_not_told_apart() -> None:
    generator = np.random.default_rng(4)
    gains = pooled_gains(
        cycles(generator, "uncertainty", 0.04, 0.01) + cycles(generator, "stratified", 0.04, 0.01)
    )
    assert compared(gains).startswith("not distinguishable")


def plainly_pooled(trials: list[LeftOut]) -> tuple[float, float]:
    """The interval of one strategy, with every task and every repeat at once."""
    tests = np.unique(np.concatenate([trial.tests for trial in trials]))
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(len(tests), np.full(len(tests), 1 / len(tests)), REPEATS)
    repeats = np.zeros(REPEATS)
    for trial in trials:
        weights = drawn[:, np.searchsorted(tests, trial.tests)]
        seeds = len(trial.lost)
        picked = generator.multinomial(seeds, np.full(seeds, 1 / seeds), REPEATS) / seeds
        repeats += ((picked @ trial.lost) * weights).sum(axis=1) / weights.sum(axis=1)
    low, high = np.quantile(repeats, [0.025, 0.975]) / sum(trial.labels for trial in trials)
    return float(low), float(high)


def test_the_interval_is_that_of_every_task_drawn_again_whoever_pooled_before() -> None:
    generator = np.random.default_rng(5)
    by_strategy = [
        cycles(generator, name, 0.05, 0.02) for name in ("uncertainty", "random", "stratified")
    ]
    # One cycle that nobody differed on, and one of other tasks than the rest.
    still = by_strategy[0][0]
    by_strategy[0].append(
        LeftOut(strategy="uncertainty", labels=9, tests=still.tests, lost=np.zeros_like(still.lost))
    )
    by_strategy[1] = by_strategy[1][:1]
    redraws = Redraws()
    pooled_gains(by_strategy[1], redraws)
    together = pooled_gains([trial for trials in by_strategy for trial in trials], redraws)
    assert together == pooled_gains([trial for trials in by_strategy for trial in trials])
    for trials, found in zip(by_strategy, together, strict=True):
        low, high = plainly_pooled(trials)
        assert found.per_label.low == pytest.approx(low, rel=1e-12)
        assert found.per_label.high == pytest.approx(high, rel=1e-12)


def test_many_cycles_of_one_set_of_tasks_are_drawn_once() -> None:
    redraws = Redraws()
    counts, generator = redraws.of(40)
    again, other = redraws.of(40)
    assert again is counts
    assert (generator.random(), counts.shape) == (other.random(), (REPEATS, 40))
    assert (counts.sum(axis=1) == 40).all()
    assert redraws.of(41)[0].shape == (REPEATS, 41)
