"""How many audits prove a claim: known sizes, the smallest one, finite populations."""

from __future__ import annotations

import doctest
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from policies import claims
from policies.claims import further_audits, judge_claim, sample_size
from policies.domain import BoolArray, FloatArray
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


def judged(wrong: BoolArray, weights: FloatArray | None = None) -> list[str | None]:
    """What each of a few looks says, the last one at all of the audits."""
    looks = range(25, len(wrong) + 1, 25)
    return [
        judge_claim(wrong[:n], 0.02, 0.95, None if weights is None else weights[:n]).decided
        for n in looks
    ]


@pytest.mark.simulation
@pytest.mark.parametrize("strata", [False, True], ids=["alike", "strata"])
def test_a_claim_that_is_looked_at_for_ever_is_as_sure_as_said(*, strata: bool) -> None:
    """Exactly 2 % wrong: each word is ever said in at most 5 % of long runs, whatever the chances.

    Of 400 runs 8.3 % is three standard errors more.
    """
    generator = np.random.default_rng(7)
    said = {"holds": 0, "broken": 0}
    for _ in range(400):
        heavy = generator.random(1_500) < 1 / 3
        weights = np.where(heavy, 10.0, 1.0) if strata else None
        ever = set(judged(generator.random(1_500) < 0.02, weights))
        for word in said:
            said[word] += word in ever
    assert max(said.values()) <= 400 * 0.083


@pytest.mark.simulation
def test_what_it_takes_to_prove_a_claim_that_holds() -> None:
    """At half a percent wrong, the running claim takes about 380 audits in the median."""
    generator = np.random.default_rng(8)
    firsts = []
    for _ in range(100):
        looks = judged(generator.random(2_000) < 0.005)
        firsts.append(25 * (1 + looks.index("holds")) if "holds" in looks else 2_025)
    assert 300 <= float(np.median(firsts)) <= 450


def test_errors_break_the_claim_and_heavy_ones_sooner() -> None:
    right = np.zeros(200, bool)
    bad = np.concatenate([right, np.ones(14, bool)])
    assert judge_claim(bad, 0.02, 0.95).decided == "broken"
    assert judge_claim(right[:0], 0.02, 0.95).decided is None
    weights = np.where(bad, 1.0, 20.0)  # the errors stand for few labels
    assert judge_claim(bad, 0.02, 0.95, weights).decided != "broken"


@given(
    rate=st.floats(0.002, 0.3),
    confidence=st.floats(0.6, 0.999),
    audits=st.integers(0, 400),
    errors=st.integers(0, 20),
)
def test_so_many_further_right_audits_prove_it_and_one_fewer_does_not(
    rate: float, confidence: float, audits: int, errors: int
) -> None:
    errors = min(errors, audits)
    more = further_audits(rate, confidence, audits, errors)

    def holds(extra: int) -> bool:
        wrong = np.arange(audits + extra) < errors
        return judge_claim(wrong, rate, confidence).decided == "holds"

    assert more == 0 or holds(more)
    assert more == 0 or not holds(more - 1)
