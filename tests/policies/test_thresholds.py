"""The promise, and that it is kept: simulations with a known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from policies.domain import BoolArray, Certificate, FloatArray
from policies.thresholds import certify, grid_from_scores

ErrorRate = Callable[[FloatArray], FloatArray]


def smooth(scores: FloatArray) -> FloatArray:
    """The surer the model, the rarer its errors: 11 % in all."""
    return 0.45 * (1 - scores) ** 1.2


def overconfident_bump(scores: FloatArray) -> FloatArray:
    """As smooth, but the surest 4 % of the answers are wrong one time in five."""
    return np.where(scores > 0.98, 0.2, smooth(scores))


def world_scores(rng: np.random.Generator, n: int) -> FloatArray:
    return rng.beta(3.0, 1.2, n).astype(np.float64)


def certified(
    scores: FloatArray, wrong: BoolArray, grid: tuple[float, ...], confidence: float = 0.9
) -> Certificate:
    return certify(
        scores, wrong, grid=grid, max_error_rate=0.05, confidence=confidence, model_version="m1"
    )


def naive(scores: FloatArray, wrong: BoolArray, grid: tuple[float, ...]) -> float | None:
    """The lowest threshold whose observed error rate is small enough: what many would do."""
    fits = [t for t in grid if np.any(scores >= t) and wrong[scores >= t].mean() <= 0.05]
    return min(fits) if fits else None


def violations(
    error_rate: ErrorRate, choose: Callable[..., float | None], runs: int = 400, n: int = 2000
) -> tuple[float, float]:
    """How often the true error rate of what is accepted breaks 5 %, and the mean accepted share."""
    rng = np.random.default_rng(7)
    truth = world_scores(rng, 50_000)
    risk = error_rate(truth)
    broken, shares = [], []
    for _ in range(runs):
        grid = grid_from_scores(
            world_scores(rng, 5000),
            max_error_rate=0.05,
            confidence=0.9,
            n_labelled=n,
            floor=0.0,
        )
        scores = world_scores(rng, n)
        threshold = choose(scores, rng.random(n) < error_rate(scores), grid)
        accepted = truth >= (2.0 if threshold is None else threshold)
        broken.append(bool(accepted.any()) and bool(risk[accepted].mean() > 0.05))
        shares.append(accepted.mean())
    return float(np.mean(broken)), float(np.mean(shares))


@pytest.mark.simulation
@pytest.mark.parametrize(("world", "least"), [(smooth, 0.3), (overconfident_bump, 0.02)])
def test_the_promise_holds(world: ErrorRate, least: float) -> None:
    broken, share = violations(world, lambda *data: certified(*data).threshold)
    monte_carlo = 2 * (0.1 * 0.9 / 400) ** 0.5
    assert broken <= 0.1 + monte_carlo
    assert share > least  # and not by accepting nothing


@pytest.mark.simulation
@pytest.mark.parametrize("world", [smooth, overconfident_bump])
def test_a_naive_threshold_breaks_the_promise(world: ErrorRate) -> None:
    broken, _ = violations(world, naive)
    assert broken > 0.3


@pytest.mark.simulation
def test_the_forecast_of_labels_is_about_right() -> None:
    rng = np.random.default_rng(3)

    def certificate(n: int) -> Certificate:
        grid = grid_from_scores(
            world_scores(rng, 5000), max_error_rate=0.05, confidence=0.9, n_labelled=n, floor=0.6
        )
        scores = world_scores(rng, n)
        return certified(scores, rng.random(n) < smooth(scores), grid)

    needed = [certificate(150).labels_needed for _ in range(150)]
    forecasts = [more for more in needed if more is not None]
    reached = [certificate(150 + more).threshold is not None for more in forecasts]
    assert len(forecasts) > 50
    assert 0.3 <= np.mean(reached) <= 0.95  # neither far too few nor far too many


def test_evidence_of_a_clean_model() -> None:
    scores: FloatArray = np.arange(400, 800) / 800
    certificate = certified(scores, np.zeros(400, bool), (0.9, 0.8, 0.7), confidence=0.95)
    assert certificate.threshold == 0.7
    assert certificate.error.n == np.count_nonzero(scores >= 0.7)
    assert certificate.accepted_share == certificate.error.n / 400
    assert (certificate.errors, certificate.error.value, certificate.error.low) == (0, 0, 0)
    assert certificate.error.high is not None
    assert certificate.error.high < 0.05
    assert (certificate.grid, certificate.control_answers) == ((0.9, 0.8, 0.7), 400)
    assert certificate.labels_needed is None


def test_a_walk_stops_at_its_first_failure_and_another_start_goes_on() -> None:
    # 200 answers at each score; the middle one is half wrong, so no walk may pass it.
    scores = np.repeat([0.9, 0.8, 0.7, 0.6], 200)
    wrong = np.zeros(800, bool)
    wrong[200:400:2] = True
    one = certify(
        scores,
        wrong,
        grid=(0.9, 0.8, 0.7, 0.6),
        max_error_rate=0.2,
        confidence=0.95,
        model_version="m1",
        starts=1,
    )
    four = certify(
        scores,
        wrong,
        grid=(0.9, 0.8, 0.7, 0.6),
        max_error_rate=0.2,
        confidence=0.95,
        model_version="m1",
    )
    assert (one.threshold, four.threshold) == (0.9, 0.6)


def test_the_error_budget_is_shared_by_the_starts() -> None:
    # 59 clean answers prove 5 % at 95 %; a quarter of the budget takes 86.
    for n, proved in ((59, False), (85, False), (86, True)):
        certificate = certified(np.ones(n), np.zeros(n, bool), (0.9,), confidence=0.95)
        assert (certificate.threshold is not None) is proved
        assert bool(binom.cdf(0, n, 0.05) <= 0.05 / 4) is proved


def test_equal_scores_are_accepted_together() -> None:
    scores = np.array([0.9] * 300)
    wrong = np.arange(300) < 150
    assert certified(scores, wrong, (0.9,)).threshold is None
    assert certified(scores, wrong, (0.9,)).control_answers == 300


@pytest.mark.parametrize("grid", [(), (0.99,), (0.9, 0.5)])
def test_nothing_certified_is_a_normal_state(grid: tuple[float, ...]) -> None:
    certificate = certified(np.full(100, 0.95), np.arange(100) % 4 == 0, grid)
    assert certificate.threshold is None
    assert certificate.accepted_share == 0
    assert (certificate.error.value, certificate.error.n, certificate.errors) == (None, 0, 0)
    assert certificate.labels_needed is None


def test_no_control_answer_yet() -> None:
    certificate = certified(np.array([]), np.array([], bool), (0.9, 0.8))
    assert (certificate.threshold, certificate.control_answers) == (None, 0)
    assert certificate.labels_needed is None


def test_it_says_how_many_more_labels_a_good_model_needs() -> None:
    needed = certified(np.full(40, 0.95), np.zeros(40, bool), (0.9,), confidence=0.95).labels_needed
    assert needed is not None
    assert 46 <= needed <= 400  # 86 clean answers are the least, and 40 are there


@pytest.mark.parametrize(
    ("scores", "wrong", "grid", "message"),
    [
        ([0.5], [True, False], [0.5], "differ in length: 1 and 2"),
        ([np.nan], [True], [0.5], "scores must be finite"),
        ([0.5], [True], [0.5, 0.6], "strictly descending"),
        ([0.5], [True], [0.6, 0.6], "strictly descending"),
    ],
)
def test_what_cannot_be_certified(
    scores: list[float], wrong: list[bool], grid: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        certified(np.array(scores), np.array(wrong), tuple(grid))


def test_the_grid_keeps_to_the_floor_and_starts_with_enough_answers() -> None:
    scores = np.random.default_rng(0).random(10_000)
    grid = grid_from_scores(
        scores, max_error_rate=0.05, confidence=0.95, n_labelled=1000, floor=0.7
    )
    assert len(grid) == 64
    assert list(grid) == sorted(set(grid), reverse=True)
    assert 0.7 <= grid[-1] < 0.701
    assert np.mean(scores >= grid[0]) * 1000 == pytest.approx(2 * 59, abs=1)


def test_a_grid_of_few_or_no_scores() -> None:
    def grid(scores: list[float], n_labelled: int = 100) -> tuple[float, ...]:
        return grid_from_scores(
            np.array(scores),
            max_error_rate=0.05,
            confidence=0.95,
            n_labelled=n_labelled,
            floor=0.7,
        )

    assert grid([]) == ()
    assert grid([0.1, 0.69]) == ()
    assert grid([0.9, 0.2]) == (0.9,)
    assert grid([0.8] * 50) == (0.8,)
    assert grid([0.9, 0.8, 0.3], n_labelled=0) == (0.9, 0.8)
