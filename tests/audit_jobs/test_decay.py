"""The alarm of decay: against what it is held, when it sounds, and how rarely for nothing."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from audit_jobs.measures import decay
from audit_jobs.measures.decay import FIRST, Decay, decay_of, slope_of
from audit_jobs.measures.production_accuracy import Drawn
from policies.change_detection import THRESHOLD
from policies.domain import BoolArray, FloatArray, column

DAY_US = 86_400_000_000
MONTH_DAYS = 30.4375
START = np.datetime64("2026-01-01", "us")


def stream(right: BoolArray, a_week: float, shares: FloatArray | None = None) -> Drawn:
    """Verified answers of one version, evenly over time."""
    n = len(right)
    since = (np.arange(n) / a_week * 7 * DAY_US).astype("timedelta64[us]")
    return Drawn(
        at=START + since,
        versions=column(["v1"] * n),
        predicted=column(["A"] * n),
        shares=np.full(n, 0.02) if shares is None else shares,
        truths=column(["A"] * n),
        right=right,
        slices={},
    )


def year(source: np.random.Generator, a_week: int, *, decays: bool) -> Drawn:
    """A year of verified answers: at 95 %, or falling to 88 % in six months."""
    n = 52 * a_week
    weeks = np.arange(n) / a_week
    accuracy = np.maximum(0.95 - 0.07 * weeks / 26.1, 0.88) if decays else np.full(n, 0.95)
    return stream(source.random(n) < accuracy, a_week)


def months(found: Decay) -> float:
    """When the alarm sounded."""
    if found.tripped_at is None:
        return float("inf")
    return float((found.tripped_at - START) / np.timedelta64(1, "D")) / MONTH_DAYS


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(decay)
    assert result.attempted
    assert not result.failed


def test_a_fall_is_found_with_the_day_since_when() -> None:
    right = np.ones(600, bool)
    right[::20] = False
    right[400::4] = False
    found = decay_of(stream(right, 70), 0.95, 0.02)
    assert found.found
    assert found.max_error_rate == pytest.approx(0.07)
    assert found.statistic >= THRESHOLD
    assert found.since is not None
    day = float((found.since - START) / np.timedelta64(1, "D"))
    assert 38 <= day <= 43
    body = found.as_json()
    assert body["alarm"] is True
    assert body["since"].startswith("2026-02-1")
    assert body["says"].startswith("decayed, most likely since 2026-02-1")
    assert "points a month" in body["says"]


def test_its_own_baseline_is_of_the_first_200_and_is_not_believed_to_the_point() -> None:
    right = np.ones(FIRST - 1, bool)
    assert decay_of(stream(right, 50), None, 0.02).baseline is None
    assert decay_of(stream(right, 50), None, 0.02).as_json()["says"].startswith("no baseline yet")
    right = np.arange(FIRST + 10) % 20 != 3
    found = decay_of(stream(right, 50), None, 0.02)
    assert found.baseline is not None
    assert found.baseline.accuracy == pytest.approx(0.95)
    assert 0.935 < found.baseline.held < 0.945
    assert (found.baseline.n, found.watched) == (FIRST, 10)


def test_what_the_model_gave_before_an_alarm_was_over_is_not_watched_again() -> None:
    right = np.concatenate([np.ones(300, bool), np.arange(100) % 3 > 0, np.arange(300) % 20 > 0])
    every = stream(right, 70)
    assert decay_of(every, 0.95, 0.02).found
    later = decay_of(every, 0.95, 0.02, after=every.at[399])
    assert not later.found
    assert later.watched == 300


def test_a_steady_fall_is_found_though_the_first_200_were_bad_luck() -> None:
    n = 2_400
    right = np.random.default_rng(5).random(n) < 0.96 - 0.1 * np.arange(n) / n
    right[:FIRST] = np.arange(FIRST) % 12 != 3
    found = decay_of(stream(right, 92), None, 0.02)
    assert found.baseline is not None
    assert found.baseline.accuracy < 0.93
    assert found.cause == decay.SLOPE
    assert found.statistic < THRESHOLD
    assert "decays, certain since 2026-0" in found.as_json()["says"]
    # A baseline that is stated says what is wanted: while it holds, a slope is no alarm.
    assert not decay_of(stream(right, 92), 0.85, 0.02).found


def test_the_order_is_that_of_the_answers_not_of_the_rows() -> None:
    source = np.random.default_rng(2)
    every = year(source, 100, decays=True)
    mixed = every.part(source.permutation(len(every)))
    assert decay_of(mixed, None, 0.02) == decay_of(every, None, 0.02)


def test_nobody_has_answered() -> None:
    found = decay_of(stream(np.zeros(0, bool), 50), 0.95, 0.02)
    assert (found.found, found.watched, found.now.value, found.slope.value) == (
        False,
        0,
        None,
        None,
    )
    assert "no slope yet" in found.as_json()["says"]


@pytest.mark.parametrize("baseline", [0.03, 0.5, 0.999])
def test_every_baseline_has_rates_to_bet_on(baseline: float) -> None:
    wrong = decay_of(stream(np.zeros(5_000, bool), 50), baseline, 0.45)
    right = decay_of(stream(np.ones(5_000, bool), 50), baseline, 0.45)
    assert not right.found
    assert wrong.found or baseline < 0.5


def test_a_slope_of_few_answers_or_few_days_is_none() -> None:
    known = stream(np.ones(29, bool), 10)
    assert slope_of(known.at, known.right, known.shares).value is None
    known = stream(np.ones(100, bool), 100)
    assert slope_of(known.at, known.right, known.shares).value is None
    known = stream(np.ones(100, bool), 10)
    found = slope_of(known.at, known.right, known.shares)
    assert found.value == pytest.approx(0)
    assert found.low is not None
    assert found.low < -0.001


@pytest.mark.simulation
@pytest.mark.parametrize("shares", [(0.02, 0.02), (0.02, 0.2)], ids=["equal", "unequal"])
def test_the_slope_lies_in_its_interval_as_often_as_it_says(shares: tuple[float, float]) -> None:
    source, covered = np.random.default_rng(31), []
    n, true = 1_000, -0.07 / (26.1 * 7 / MONTH_DAYS)
    for _ in range(1_500):
        given_shares = np.array(shares)[(source.random(n) < 0.3).astype(int)]
        weeks = np.arange(n) / 50
        known = stream(source.random(n) < 0.95 - 0.07 * weeks / 26.1, 50, given_shares)
        found = slope_of(known.at, known.right, known.shares)
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= true <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.975


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("baseline", "a_week", "half_within", "in_six_months", "false_alarms"),
    [
        (0.95, 20, 5.8, 0.58, 0.05),
        (0.95, 50, 4.3, 0.93, 0.07),
        (0.95, 100, 3.4, 0.98, 0.12),
        (None, 50, 5.6, 0.62, 0.18),
        (None, 100, 4.4, 0.84, 0.24),
    ],
)
def test_a_fall_from_95_to_88_percent_in_six_months_is_found_before(
    baseline: float | None,
    a_week: int,
    half_within: float,
    in_six_months: float,
    false_alarms: float,
) -> None:
    source = np.random.default_rng(32)
    falling = [
        months(decay_of(year(source, a_week, decays=True), baseline, 0.02)) for _ in range(250)
    ]
    steady = [
        decay_of(year(source, a_week, decays=False), baseline, 0.02).found for _ in range(250)
    ]
    assert np.median(falling) <= half_within
    assert np.mean(np.array(falling) <= 6) >= in_six_months
    assert np.mean(steady) <= false_alarms


@pytest.mark.simulation
@pytest.mark.parametrize("shares", [(0.02, 0.02), (0.02, 0.1)], ids=["equal", "unequal"])
def test_at_just_the_tolerated_drop_the_mean_run_is_2000_answers_or_longer(
    shares: tuple[float, float],
) -> None:
    source, longest, runs = np.random.default_rng(33), 7_000, []
    for _ in range(150):  # cut short, so that the mean is rather longer
        own = np.array(shares)[(source.random(longest) < 0.3).astype(int)]
        known = stream(source.random(longest) < 0.93, 100, own)
        found = decay_of(known, 0.95, 0.02)
        tripped = longest if found.tripped_at is None else int((known.at <= found.tripped_at).sum())
        runs.append(tripped)
    assert np.mean(runs) >= THRESHOLD
