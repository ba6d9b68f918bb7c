"""The promise, and that it is kept: simulations with a known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from policies.costs import Costs
from policies.domain import BoolArray, Certificate, FloatArray
from policies.intervals import exact_upper
from policies.thresholds import certify, certify_labels, first_level, grid_from_scores

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
def test_the_hardest_world_for_the_starts_breaks_it_no_more_often() -> None:
    # Every threshold is just too loose, so whatever any of the four walks certifies is wrong.
    rng = np.random.default_rng(11)
    runs, confidence = 2_000, 0.9
    grid = tuple(np.linspace(0.95, 0.05, 64).tolist())
    broken = 0
    for _ in range(runs):
        scores = rng.random(1_500)
        found = certified(scores, rng.random(1_500) < 0.0501, grid, confidence)
        broken += found.threshold is not None
    monte_carlo = 2 * (0.1 * 0.9 / runs) ** 0.5
    assert 0.02 < broken / runs <= 0.1 + monte_carlo  # and not by certifying nothing at all


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
    # 200 answers at each score; the second is half wrong, so no walk may pass it.
    scores = np.repeat([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], 200)
    wrong = np.zeros(1600, bool)
    wrong[200:400:2] = True
    wrong[400:800:4] = True
    grid = tuple(np.unique(scores)[::-1].tolist())

    def threshold(grid: tuple[float, ...]) -> float | None:
        return certify(
            scores, wrong, grid=grid, max_error_rate=0.2, confidence=0.95, model_version="m1"
        ).threshold

    assert threshold(grid) == 0.2  # the last start stands at 0.3
    assert threshold(grid[:6]) == 0.9  # no start stands where its test passes, but the first


def test_the_error_budget_is_shared_by_the_starts() -> None:
    # 59 clean answers prove 5 % at 95 %; the first start's half of the budget takes 72.
    for n, proved in ((59, False), (71, False), (72, True)):
        certificate = certified(np.ones(n), np.zeros(n, bool), (0.9, 0.8, 0.7, 0.6), 0.95)
        assert (certificate.threshold is not None) is proved
        assert bool(binom.cdf(0, n, 0.05) <= first_level(0.95)) is proved


def test_a_walk_takes_the_budget_of_each_start_it_reaches() -> None:
    # With three errors in 154 the loosest passes at the whole 5 %, and not at half of it.
    scores = np.repeat([0.9, 0.8, 0.7, 0.6], [100, 20, 20, 14])
    wrong = np.zeros(154, bool)
    wrong[[120, 140, 153]] = True
    p_value = binom.cdf(3, 154, 0.05)
    assert 0.025 < p_value <= 0.05
    certificate = certified(scores, wrong, (0.9, 0.8, 0.7, 0.6), confidence=0.95)
    assert certificate.threshold == 0.6
    assert certificate.error.high is not None
    assert certificate.error.high <= 0.05


def test_costs_choose_among_what_is_certified() -> None:
    # 300 clean answers, 300 with 4 % errors: all of it is certified at 5 %.
    scores = np.repeat([0.9, 0.6], 300)
    wrong = np.zeros(600, bool)
    wrong[300:600:25] = True

    def threshold(error: float) -> float | None:
        return certify(
            scores,
            wrong,
            grid=(0.9, 0.6),
            max_error_rate=0.05,
            confidence=0.95,
            model_version="m1",
            costs=Costs(error=error, review=1.0),
        ).threshold

    assert threshold(20.0) == 0.6  # 12 errors cost 240, 300 reviews cost 300
    assert threshold(30.0) == 0.9


def test_costs_are_not_negative() -> None:
    with pytest.raises(ValueError, match=r"error -1\.0, review 1\.0"):
        Costs(error=-1.0, review=1.0)


def test_labels_share_the_budget() -> None:
    scores = np.full(400, 0.9)
    labels = np.array(["a"] * 200 + ["b"] * 120 + ["c"] * 80, object)
    grids = dict.fromkeys("abc", (0.8,))
    found = certify_labels(
        scores,
        np.arange(400) < 100,
        labels,
        grids=grids,
        max_error_rate=0.05,
        confidence=0.95,
        model_version="m1",
    )
    thresholds = {label: certificate.threshold for label, certificate in found.items()}
    assert thresholds == {"a": None, "b": 0.8, "c": 0.8}  # half of a's answers are wrong
    assert found["b"].control_answers == 120
    assert {certificate.confidence for certificate in found.values()} == {1 - (1 - 0.95) / 3}
    # A third of 5 %: 79 clean answers are no longer enough, though 59 would do for one label.
    fewer = certify_labels(
        scores[:-1],
        np.arange(399) < 100,
        labels[:-1],
        grids=grids,
        max_error_rate=0.05,
        confidence=0.95,
        model_version="m1",
    )
    assert fewer["c"].threshold is None


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9, 1.0]), st.booleans()), max_size=400),
    st.lists(st.floats(0, 1), unique=True, max_size=9),
    st.floats(0.01, 0.49),
    st.floats(0.51, 0.99),
)
def test_a_certificate_never_says_more_than_it_proves(
    answers: list[tuple[float, bool]], grid: list[float], max_error: float, confidence: float
) -> None:
    scores = np.array([score for score, _ in answers], float)
    wrong = np.array([bad for _, bad in answers], bool)
    found = certify(
        scores,
        wrong,
        grid=sorted(grid, reverse=True),
        max_error_rate=max_error,
        confidence=confidence,
        model_version="m1",
    )
    assert found.control_answers == len(answers)
    if found.threshold is None:
        assert (found.accepted_share, found.error.n, found.errors) == (0, 0, 0)
        return
    assert found.threshold in grid
    assert found.error.n == np.count_nonzero(scores >= found.threshold)
    assert found.errors == np.count_nonzero(wrong[scores >= found.threshold])
    assert found.error.high is not None
    assert exact_upper(found.errors, found.error.n, confidence) <= found.error.high + 1e-12
    assert found.error.high <= max_error + 1e-9


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
    assert 32 <= needed <= 400  # 72 clean answers are the least, and 40 are there


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
        scores, max_error_rate=0.05, confidence=0.95, n_labelled=2000, floor=0.7
    )
    assert len(grid) == 64
    assert list(grid) == sorted(set(grid), reverse=True)
    assert 0.7 <= grid[-1] < 0.701
    assert np.mean(scores >= grid[0]) * 2000 == pytest.approx(3 * 59, abs=1)


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
