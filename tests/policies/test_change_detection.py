"""The detector against a plain loop, what makes it valid, and how soon it trips."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import change_detection
from policies.change_detection import ODDS_RATIOS, THRESHOLD, detect
from policies.domain import BoolArray, FloatArray

# A stream that never trips is cut here: a lower bound of its run.
LONGEST = 20_000


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(change_detection)
    assert result.attempted
    assert not result.failed


def likelihood_ratios(wrong: BoolArray, rate: float) -> FloatArray:
    """Shiryaev and Roberts' statistic as it is defined, audit by audit."""
    odds = rate / (1 - rate) * np.array(ODDS_RATIOS)
    worse = odds / (1 + odds)
    sums: FloatArray = np.zeros(len(worse))
    path = []
    for error in wrong:
        sums = (sums + 1) * (worse / rate if error else (1 - worse) / (1 - rate))
        path.append(sums.mean())
    return np.array(path)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.1, 0.3, 0.49])
def test_with_equal_chances_it_is_the_sum_of_likelihood_ratios(rate: float) -> None:
    wrong = np.random.default_rng(7).random(400) < rate
    expected = likelihood_ratios(wrong, rate)
    for weights in (None, np.full(400, 20.0)):
        found = detect(wrong, rate, weights, threshold=1e12)
        assert found.tripped_at is None
        assert found.path == pytest.approx(expected)


def test_it_stops_where_it_trips_and_says_since_when() -> None:
    wrong = np.array([False] * 300 + [True] * 20)
    found = detect(wrong, 0.02)
    assert found.tripped_at is not None
    assert 300 < found.tripped_at < 310
    assert found.change_at == 300
    assert len(found.path) == found.tripped_at + 1
    assert found.statistic >= THRESHOLD > found.path[-2]


def test_what_comes_after_the_trip_changes_nothing() -> None:
    wrong = np.random.default_rng(3).random(600) < 0.1
    whole = detect(wrong, 0.02)
    assert whole.tripped_at is not None
    part = detect(wrong[: whole.tripped_at + 1], 0.02)
    assert (part.tripped_at, part.change_at) == (whole.tripped_at, whole.change_at)
    assert part.path == pytest.approx(whole.path)


def test_only_the_ratios_of_weights_matter() -> None:
    source = np.random.default_rng(5)
    wrong, weights = source.random(500) < 0.04, source.uniform(1, 30, 500)
    one, other = detect(wrong, 0.02, weights), detect(wrong, 0.02, weights * 1000)
    assert one.path == pytest.approx(other.path)
    assert one.tripped_at == other.tripped_at


def test_without_audits_there_is_nothing_to_say() -> None:
    found = detect(np.zeros(0, bool), 0.02)
    assert (found.statistic, found.tripped_at, found.change_at) == (0.0, None, None)


@pytest.mark.parametrize("rate", [0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3])
def test_every_promise_has_its_alternatives(rate: float) -> None:
    weights = np.tile([1.0, 25.0], 2_000)
    for given_weights in (None, weights):
        wrong = detect(np.ones(4_000, bool), rate, given_weights)
        assert wrong.tripped_at is not None
        assert wrong.tripped_at < 30
        right = detect(np.zeros(4_000, bool), rate, given_weights)
        assert right.tripped_at is None
        assert np.isfinite(right.path).all()
        # It forgets good audits: the statistic stays under its limit, whatever their number.
        assert right.statistic < 3 / rate


def test_a_million_audits_are_no_trouble() -> None:
    wrong = np.zeros(1_000_000, bool)
    wrong[::100] = True
    found = detect(wrong, 0.02)
    assert found.tripped_at is None
    assert 0 < found.statistic < THRESHOLD
    assert detect(np.ones(1_000_000, bool), 0.02, threshold=1e300).statistic >= 1e300


@settings(max_examples=150)
@given(
    st.floats(0.001, 0.3),
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.02, 1), st.floats(0, 1)), min_size=1),
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40),
)
def test_no_audit_adds_more_than_one_on_average_while_the_promise_holds(
    rate: float, strata: list[tuple[float, float, float]], past: list[tuple[int, bool]]
) -> None:
    """What the average run rests on, of any strata, chances and past: E[S(t)] <= S(t-1) + 1."""
    shares, chances, rates = map(np.array, zip(*strata, strict=True))
    overall = float(np.average(rates, weights=shares))
    rates = rates * min(1.0, rate / overall) if overall > 0 else rates
    drawn = shares * chances / (shares * chances).sum()
    weights, largest = 1 / chances, float((1 / chances).max())
    places = [place % len(strata) for place, _ in past]
    seen = np.array([error for _, error in past], bool)

    def after(stratum: int, *, error: bool) -> float:
        found = detect(
            np.append(seen, error),
            rate,
            weights[[*places, stratum]],
            threshold=1e200,
            largest_weight=largest,
        )
        return found.statistic

    before = detect(seen, rate, weights[places], threshold=1e200, largest_weight=largest).statistic
    expected = sum(
        chance * (wrong * after(place, error=True) + (1 - wrong) * after(place, error=False))
        for place, (chance, wrong) in enumerate(zip(drawn, rates, strict=True))
    )
    assert expected <= (before + 1) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("rate", "weights", "threshold", "largest", "says"),
    [
        (0.0, None, 2000.0, None, "max_error_rate = 0.0"),
        (0.02, None, 0.5, None, "threshold = 0.5"),
        (0.02, None, float("nan"), None, "threshold = nan"),
        (0.02, [1.0], 2000.0, None, "differ in length"),
        (0.02, [1.0, 0.0], 2000.0, None, "weights must be above 0"),
        (0.02, [1.0, 3.0], 2000.0, 2.0, r"at most 2\.0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    rate: float, weights: list[float] | None, threshold: float, largest: float | None, says: str
) -> None:
    given_weights = None if weights is None else np.array(weights)
    with pytest.raises(ValueError, match=says):
        detect(np.zeros(2, bool), rate, given_weights, threshold, largest_weight=largest)


def delays(before: float, after: float, runs: int, seed: int) -> FloatArray:
    """Audits until the trip after a rise behind 1,000 audits; without runs that tripped before."""
    source = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        wrong = source.random(3_000) < np.repeat([before, after], [1_000, 2_000])
        tripped = detect(wrong, 0.02).tripped_at
        if tripped is None or tripped >= 1_000:
            found.append(np.inf if tripped is None else tripped - 999)
    return np.array(found)


@pytest.mark.simulation
@pytest.mark.parametrize("before", [0.02, 0.01, 0.0])
def test_a_rise_to_6_percent_is_seen_within_320_audits_in_95_percent_of_runs(
    before: float,
) -> None:
    found = delays(before, 0.06, runs=1_500, seed=11)
    assert np.mean(found <= 320) >= 0.95
    assert np.median(found) <= 115


@pytest.mark.simulation
def test_the_mean_run_at_exactly_the_promise_is_its_threshold_or_longer() -> None:
    source = np.random.default_rng(12)
    found = [detect(source.random(LONGEST) < 0.02, 0.02).tripped_at for _ in range(800)]
    mean = np.mean([LONGEST if tripped is None else tripped + 1 for tripped in found])
    assert mean >= THRESHOLD
    assert mean < 3_500  # and no more than it must: a detector that never trips is no use


@pytest.mark.simulation
@pytest.mark.parametrize(
    "rates",
    [(0.02, 0.02), (0.01, 0.11), (0.0205, 0.0155)],
    ids=["errors_anywhere", "errors_under_light_weights", "errors_under_heavy_weights"],
)
def test_the_mean_run_holds_with_weights_too(rates: tuple[float, float]) -> None:
    """Nine tenths of the traffic audited at 5 %, the rest at 50 %; 2 % of all is wrong."""
    source = np.random.default_rng(13)
    shares, chances = np.array([0.9, 0.1]), np.array([0.05, 0.5])
    assert shares @ np.array(rates) == pytest.approx(0.02)
    drawn = shares * chances / (shares @ chances)
    runs = []
    for _ in range(400):
        strata = source.choice(2, LONGEST, p=drawn)
        wrong = source.random(LONGEST) < np.array(rates)[strata]
        tripped = detect(wrong, 0.02, 1 / chances[strata]).tripped_at
        runs.append(LONGEST if tripped is None else tripped + 1)
    assert np.mean(runs) >= THRESHOLD


@pytest.mark.simulation
def test_unweighted_the_same_audits_would_trip_for_nothing() -> None:
    """2 % of all is wrong, but 6 % of the audits, because rare labels are audited more."""
    source = np.random.default_rng(14)
    strata = source.choice(2, (100, 1_000), p=[9 / 19, 10 / 19])
    chances, rates = np.array([0.05, 0.5]), np.array([0.01, 0.11])
    wrong = source.random(strata.shape) < rates[strata]
    plain = sum(detect(row, 0.02).tripped_at is not None for row in wrong)
    weighted = sum(
        detect(row, 0.02, 1 / chances[places]).tripped_at is not None
        for row, places in zip(wrong, strata, strict=True)
    )
    assert plain >= 95
    assert weighted <= 45


@pytest.mark.simulation
def test_the_last_good_point_is_near_the_rise() -> None:
    source = np.random.default_rng(15)
    places = []
    for _ in range(300):
        wrong = source.random(2_000) < np.repeat([0.005, 0.10], [1_000, 1_000])
        found = detect(wrong, 0.02)
        assert found.change_at is not None
        places.append(found.change_at)
    assert abs(np.median(places) - 1_000) <= 10
    assert np.mean(np.abs(np.array(places) - 1_000) <= 40) >= 0.85
