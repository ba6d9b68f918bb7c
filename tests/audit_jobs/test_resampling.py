"""Intervals over tasks: they cover as they say, and are honest where nothing can be resampled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from audit_jobs.measures.pairs import Answered, Pairs, Scores, alpha, pairs_between, pairs_within
from audit_jobs.measures.resampling import Figures, estimated, ratios, ratios_of_sums
from policies.domain import Estimate, FloatArray
from policies.intervals import wilson


def mean_of(values: FloatArray, seed: int = 0) -> Estimate:
    column = values.reshape(-1, 1)
    n = len(values)
    figures = ratios(["mean"], np.arange(n), column, np.ones_like(column), size=n)
    return estimated([figures], n, seed)["mean"]


@pytest.mark.simulation
@pytest.mark.parametrize(("tasks", "seed"), [(20, 1), (60, 2)])
def test_intervals_of_a_mean_cover_the_truth(tasks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials = 500
    intervals = [mean_of(rng.beta(4, 1, tasks), seed=trial) for trial in range(trials)]
    covered = np.mean([each.low <= 0.8 <= each.high for each in intervals])  # type: ignore[operator] # all defined
    # 95 % give or take 2.5 standard errors of 500 trials.
    assert 0.925 <= covered <= 0.975


def simulated_alpha(tasks: int, seed: int) -> Estimate:
    """Two numbers a task, near a common one; similar is what differs by less than 1."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (tasks, 1)) + rng.normal(0, 0.4, (tasks, 2))
    answered = Answered(tasks=np.repeat(np.arange(tasks), 2), raters=np.tile([0, 1], tasks))
    said = values.ravel()

    def scores(pairs: Pairs) -> Scores:
        alike = np.maximum(0.0, 1 - np.abs(said[pairs.left] - said[pairs.right]))
        return Scores(above=alike, below=np.ones(len(pairs)))

    within, between = pairs_within(answered.tasks), pairs_between(answered, 5_000, seed)
    figures = alpha(answered, (within, scores(within)), (between, scores(between)), tasks)
    return estimated([figures], tasks, seed)["krippendorff_alpha"]


@pytest.mark.simulation
def test_intervals_of_alpha_cover_the_truth() -> None:
    truth = simulated_alpha(4_000, seed=12345).value
    trials = [simulated_alpha(30, seed) for seed in range(200)]
    covered = np.mean([each.low <= truth <= each.high for each in trials])  # type: ignore[operator] # all defined
    # 95 % give or take 2.5 standard errors of 200 trials.
    assert 0.91 <= covered <= 0.985


def test_alpha_is_1_less_the_ratio_of_disagreements() -> None:
    answered = Answered(tasks=np.array([0, 0, 1, 1, 1]), raters=np.array([0, 1, 0, 1, 2]))
    within, between = pairs_within(answered.tasks), pairs_between(answered, 100)
    # Pairs of the first task are .5 alike, of the second 1, of both .2.
    first = answered.tasks[within.left] == 0
    seen = Scores(above=np.where(first, 0.5, 1.0), below=np.ones(4))
    chance = Scores(above=np.full(6, 0.2), below=np.ones(6))
    found = estimated([alpha(answered, (within, seen), (between, chance), 2)], 2)
    # The tasks weigh 2 and 3.
    expected = 1 - (2 * 0.5 / 5) / 0.8
    assert found["krippendorff_alpha"].value == pytest.approx(expected)
    assert found["krippendorff_alpha"].n == 2


def test_where_all_tasks_are_alike_the_interval_is_wilsons() -> None:
    found, share = mean_of(np.ones(30)), wilson(30, 30)
    assert (found.value, found.n) == (1, 30)
    assert found.low == pytest.approx(share.low)
    assert found.high == pytest.approx(1)
    none = mean_of(np.zeros(30))
    assert none.low == 0
    assert none.high == pytest.approx(wilson(0, 30).high)


def test_one_task_has_a_wide_interval() -> None:
    found = mean_of(np.array([0.5]))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.15
    assert found.high > 0.85


def test_no_task_has_no_figure() -> None:
    assert mean_of(np.empty(0)) == Estimate(value=None, low=None, high=None, n=0)


def test_a_figure_without_limits_has_no_bound_where_nothing_varies() -> None:
    ones = csr_array(np.ones((5, 1)))
    plain = ratios_of_sums(["x"], ones, ones)
    free = Figures(names=plain.names, of=plain.of, n=plain.n, limits=((0.0, None),))
    found = estimated([free], 5)["x"]
    assert found.high is None
    assert found.low is not None
    assert found.low < 1


def test_figures_of_the_same_seed_are_the_same() -> None:
    values = np.random.default_rng(0).random(50)
    assert mean_of(values, 3) == mean_of(values, 3)
    assert mean_of(values, 3) != mean_of(values, 4)


def test_observations_weigh_by_what_they_count() -> None:
    tasks = np.array([0, 0, 1])
    above, below = np.array([[1.0], [0.0], [2.0]]), np.array([[1.0], [1.0], [2.0]])
    found = estimated([ratios(["x"], tasks, above, below, size=3)], 3)["x"]
    assert (found.value, found.n) == (0.75, 2)
