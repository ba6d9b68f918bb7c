from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from policies.intervals import UNKNOWN, exact_lower, exact_upper, wilson


@pytest.mark.parametrize("module", ["intervals", "problems", "stakes"])
def test_the_examples_in_the_text_are_right(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"policies.{module}"))
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (3, 10), (10, 10), (250, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_as_scipy_has_it(k: int, n: int, confidence: float) -> None:
    estimate = wilson(k, n, confidence)
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), abs=1e-12)
    assert (estimate.value, estimate.n) == (k / n, n)


def test_without_observations_nothing_is_known() -> None:
    assert wilson(0, 0) == UNKNOWN
    assert (exact_lower(0, 0, 0.95), exact_upper(0, 0, 0.95)) == (0, 1)


@pytest.mark.parametrize(("k", "n"), [(0, 59), (1, 93), (7, 50), (50, 50)])
def test_the_exact_bounds_invert_the_binomial_test(k: int, n: int) -> None:
    high, low = exact_upper(k, n, 0.95), exact_lower(k, n, 0.95)
    assert k == n or binom.cdf(k, n, high) == pytest.approx(0.05)
    assert k == 0 or binom.sf(k - 1, n, low) == pytest.approx(0.05)
    assert low <= k / n <= high


def test_59_clean_answers_prove_5_percent_at_95() -> None:
    assert exact_upper(0, 59, 0.95) < 0.05 < exact_upper(0, 58, 0.95)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3)])
def test_a_count_that_is_no_share_is_refused(k: int, n: int) -> None:
    for interval in (wilson, exact_lower, exact_upper):
        with pytest.raises(ValueError, match="is no share"):
            interval(k, n, 0.95)


@pytest.mark.simulation
def test_wilson_covers_about_as_often_as_it_says() -> None:
    successes = np.random.default_rng(1).binomial(80, 0.07, 4000)
    covered = [
        (e.low or 0) <= 0.07 <= (e.high or 0) for k in successes for e in [wilson(int(k), 80)]
    ]
    assert 0.93 <= np.mean(covered) <= 0.98
