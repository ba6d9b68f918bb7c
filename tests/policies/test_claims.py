"""How many audits prove a claim: known sizes, the smallest one, finite populations."""

from __future__ import annotations

import doctest
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from policies import claims
from policies.claims import sample_size
from policies.intervals import exact_upper


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(claims)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("max_error_rate", "confidence", "audits"),
    [(0.02, 0.95, 149), (0.01, 0.95, 299), (0.05, 0.95, 59), (0.001, 0.99, 4603), (0.3, 0.9, 7)],
)
def test_audits_without_an_error_as_published(
    max_error_rate: float, confidence: float, audits: int
) -> None:
    assert sample_size(max_error_rate, confidence) == audits


@given(st.floats(0.001, 0.6), st.sampled_from([0.8, 0.9, 0.95, 0.99]), st.integers(0, 12))
def test_it_is_the_smallest_number_whose_bound_keeps_the_claim(
    rate: float, confidence: float, errors: int
) -> None:
    audits = sample_size(rate, confidence, errors)
    assert exact_upper(errors, audits, confidence) <= rate * (1 + 1e-9)
    fewer = audits - 1
    assert fewer <= errors or exact_upper(errors, fewer, confidence) > rate * (1 - 1e-9)


def _proves(errors: int, audits: int, population: int, rate: Fraction) -> bool:
    """Whether no population that breaks the claim shows so few errors with more than 5 %."""
    return all(
        sum(comb(wrong, k) * comb(population - wrong, audits - k) for k in range(errors + 1))
        <= Fraction(1, 20) * comb(population, audits)
        for wrong in range(population + 1)
        if Fraction(wrong, population) > rate and wrong >= errors
    )


@pytest.mark.parametrize("population", [1, 7, 20, 61])
@pytest.mark.parametrize("rate", [Fraction(1, 50), Fraction(1, 10), Fraction(29, 100)])
@pytest.mark.parametrize("errors", [0, 1, 3])
def test_of_a_population_it_is_what_every_case_counted_says(
    population: int, rate: Fraction, errors: int
) -> None:
    audits = sample_size(float(rate), 0.95, errors, population)
    if audits is None:
        assert Fraction(errors, population) > rate
        return
    assert _proves(errors, audits, population, rate)
    assert audits <= errors + 1 or not _proves(errors, audits - 1, population, rate)


def test_a_large_population_is_like_none_and_a_small_one_is_looked_at_whole() -> None:
    assert sample_size(0.02, 0.95, 2, 10_000_000) == sample_size(0.02, 0.95, 2)
    sizes = [sample_size(0.02, 0.95, 0, population) for population in (10, 100, 1_000, 100_000)]
    assert sizes == [10, 63, 132, 149]


def test_a_rate_that_rounds_badly_is_not_taken_for_a_smaller_one() -> None:
    assert 0.29 * 100 < 29
    assert sample_size(0.29, 0.95, 29, 100) == 100  # 29 of 100 wrong is what is claimed
    assert sample_size(0.29, 0.95, 30, 100) is None


def test_hundreds_of_thousands_of_audits_are_found_at_once() -> None:
    audits = sample_size(0.00001, 0.95, 5)
    assert audits > 1_000_000
    assert binom.cdf(5, audits, 0.00001) <= 0.05 < binom.cdf(5, audits - 1, 0.00001)


@pytest.mark.parametrize(
    ("rate", "confidence", "errors", "population", "says"),
    [
        (0.0, 0.95, 0, None, "max_error_rate 0.0"),
        (0.02, 1.0, 0, None, "confidence 1.0"),
        (float("nan"), 0.95, 0, None, "max_error_rate nan"),
        (0.02, 0.95, -1, None, "errors = -1"),
        (0.02, 0.95, 0, 0, "population = 0"),
    ],
)
def test_what_makes_no_claim_is_refused(
    rate: float, confidence: float, errors: int, population: int | None, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sample_size(rate, confidence, errors, population)
