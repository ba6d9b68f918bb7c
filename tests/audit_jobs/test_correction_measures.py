"""Correction rate, blind error, automation bias, pace and confusions: planted, and found again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.stats import ttest_ind

from audit_jobs.measures.corrections import (
    Answers,
    automation_bias,
    blind_error,
    correction_rate,
    rates_by,
)
from audit_jobs.measures.lead_times import pace, pace_by_tier
from audit_jobs.measures.model_confusions import (
    Background,
    Lack,
    model_confusions,
)
from audit_jobs.measures.strata import mean_difference, risk_difference, strata_of

LABELS = ("a", "b", "c", "d", "e", "f")


def answers_of(
    predicted: ArrayLike,
    said: ArrayLike,
    shown: ArrayLike,
    score: ArrayLike | None = None,
    labels: tuple[str, ...] = LABELS,
) -> Answers:
    n = np.size(predicted)
    zeros = np.zeros(n, dtype=np.int64)
    return Answers(
        predicted=np.asarray(predicted, dtype=np.int64),
        said=np.asarray(said, dtype=np.int64),
        labels=labels,
        shown=np.asarray(shown, dtype=np.bool_),
        probability=np.ones(n),
        score=np.full(n, np.nan) if score is None else np.asarray(score, dtype=np.float64),
        seconds=np.full(n, np.nan),
        tier=zeros,
        tiers=("general",),
        reviewer=zeros,
        reviewers=("ann",),
        ids=tuple(map(str, range(n))),
    )


def routed(seed: int, n: int, copied: float) -> Answers:
    """Doubtful tasks are shown, random ones are not; ``copied`` is how often people just confirm.

    The model is calibrated; people are right nineteen times in twenty.
    """
    random = np.random.default_rng(seed)
    score = random.beta(5, 2, n)
    truth = random.integers(0, 6, n)
    other = (truth + random.integers(1, 6, n)) % 6
    predicted = np.where(random.random(n) < score, truth, other)
    slip = (truth + random.integers(1, 6, n)) % 6
    said = np.where(random.random(n) < 0.95, truth, slip)
    control = random.random(n) < 0.2
    seen = (score < 0.8) & ~control
    said = np.where(seen & (random.random(n) < copied), predicted, said)
    kept = control | seen
    return answers_of(predicted[kept], said[kept], ~control[kept], score[kept])


def test_only_what_was_shown_can_be_corrected() -> None:
    answers = answers_of([0, 0, 1, 1], [0, 1, 1, 2], [True, True, True, False])
    rate = correction_rate(answers)
    assert rate.value == pytest.approx(1 / 3)
    assert rate.n == 3
    found = rates_by(answers, answers.predicted, LABELS)
    assert {name: (each.value, each.n) for name, each in found.items()} == {
        "a": (0.5, 2),
        "b": (0.0, 1),
    }


def test_without_answers_nothing_is_defined() -> None:
    answers = answers_of([], [], [])
    assert correction_rate(answers).value is None
    assert blind_error(answers).value is None
    assert automation_bias(answers).difference.value is None
    assert pace(answers).throughput.value is None
    assert model_confusions(answers, 10) == ([], 0)


def test_the_blind_error_weighs_by_the_chance_of_the_draw() -> None:
    answers = answers_of([0] * 20, [1] * 10 + [0] * 10, [False] * 20)
    rare = replace(answers, probability=np.repeat([1.0, 0.1], 10))
    assert blind_error(answers).value == pytest.approx(0.5)
    assert blind_error(rare).value == pytest.approx(10 / 110)
    assert blind_error(rare).n == 20
    audited = replace(answers, probability=np.repeat([np.nan, 0.1], 10))
    assert (blind_error(audited).value, blind_error(audited).n) == (0.0, 10)


def test_one_stratum_has_newcombes_interval() -> None:
    """Newcombe (1998), Table II, case a, method 10: 56/70 against 48/80 is 0.2 (0.0524, 0.3339)."""
    group = np.repeat([True, False], [70, 80])
    hit = np.concatenate([np.arange(70) < 56, np.arange(80) < 48])
    strata = strata_of([np.zeros(150, dtype=np.int64)], group)
    found = risk_difference(strata, group, hit)
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_a_mean_difference_in_one_stratum_is_welchs() -> None:
    random = np.random.default_rng(1)
    figure = np.concatenate([random.normal(1, 1, 30), random.normal(0, 3, 50)])
    group = np.repeat([True, False], [30, 50])
    strata = strata_of([np.zeros(80, dtype=np.int64)], group)
    found = mean_difference(strata, group, figure)
    wanted = ttest_ind(figure[:30], figure[30:], equal_var=False).confidence_interval(0.95)
    assert found.low == pytest.approx(wanted.low)
    assert found.high == pytest.approx(wanted.high)


def test_strata_with_one_group_alone_say_nothing() -> None:
    group = np.array([True, True, False, False])
    apart = strata_of([np.array([0, 0, 1, 1])], group)
    assert apart.matched == (0, 0)
    assert risk_difference(apart, group, group).value is None
    assert mean_difference(apart, group, np.ones(4)).value is None


def test_scores_that_do_not_overlap_are_not_compared() -> None:
    score = np.repeat([0.5, 0.9], 50)
    answers = answers_of(np.zeros(100), np.zeros(100), score < 0.7, score)
    found = automation_bias(answers)
    assert found.difference.value is None
    assert found.note is not None


def test_tiers_are_compared_apart_while_both_tiers_have_both() -> None:
    answers = routed(1, 3_000, 0.0)
    half = np.arange(len(answers)) % 2
    both = replace(answers, tier=half.astype(np.int64), tiers=("general", "senior"))
    assert automation_bias(both).within[0] == "tier"
    apart = replace(answers, tier=answers.shown.astype(np.int64), tiers=("senior", "general"))
    found = automation_bias(apart)
    assert "tier" not in found.within
    assert found.note is not None
    assert "tiers" in found.note


@pytest.mark.simulation
@pytest.mark.parametrize("copied", [0.0, 0.5])
def test_automation_bias_is_found_where_planted_and_nowhere_else(copied: float) -> None:
    """Among doubtful tasks; the naive difference is about -14 points without any bias."""
    covered, values, naive = 0, [], []
    for seed in range(200):
        answers = routed(seed, 3_000, copied)
        found = automation_bias(answers).difference
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        # What copying adds: the share copied of what people would have changed.
        honest = routed(10_000 + seed, 3_000, 0.0)
        matched = honest.part(honest.score < 0.8)
        planted = copied * float(matched.corrected[matched.shown].mean())
        covered += found.low <= planted <= found.high
        values.append(found.value - planted)
        agreed = ~answers.corrected
        naive.append(agreed[answers.shown].mean() - agreed[~answers.shown].mean())
    assert abs(float(np.mean(values))) < 0.01
    assert 0.92 <= covered / 200 <= 1.0
    if copied == 0.0:
        assert float(np.mean(naive)) < -0.05  # routing by score alone looks like a bias


@pytest.mark.simulation
def test_the_interval_of_the_correction_rate_covers() -> None:
    random = np.random.default_rng(2)
    for share in (0.05, 0.3):
        covered = 0
        for _ in range(2_000):
            wrong = (random.random(150) < share).astype(np.int64)
            rate = correction_rate(answers_of(np.zeros(150), wrong, np.ones(150)))
            assert rate.low is not None
            assert rate.high is not None
            covered += rate.low <= share <= rate.high
        assert 0.93 <= covered / 2_000 <= 0.975


def test_pace_finds_a_planted_gain_in_spite_of_forgotten_forms() -> None:
    random = np.random.default_rng(3)
    n = 2_000
    shown = random.random(n) < 0.7
    seconds = random.lognormal(2, 0.5, n) * np.where(shown, 1.0, 1.5)
    seconds[random.random(n) < 0.02] = 7_200
    seconds[:20] = math.nan
    seconds[20:30] = 0.0
    answers = replace(answers_of(np.zeros(n), np.zeros(n), shown), seconds=seconds)
    found = pace(answers)
    assert found.throughput.low is not None
    assert found.throughput.high is not None
    assert found.throughput.low < 1.5 < found.throughput.high
    assert found.throughput.high - found.throughput.low < 0.3
    assert found.shown.n + found.blind.n == n - 30
    assert set(pace_by_tier(answers)) == {"general"}


@pytest.mark.simulation
def test_the_interval_of_the_pace_covers() -> None:
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(400):
        shown = random.random(200) < 0.7
        seconds = random.lognormal(2, 0.6, 200) * np.where(shown, 1.0, 1.3)
        found = pace(replace(answers_of(np.zeros(200), np.zeros(200), shown), seconds=seconds))
        assert found.throughput.low is not None
        assert found.throughput.high is not None
        covered += found.throughput.low <= 1.3 <= found.throughput.high
    assert 0.92 <= covered / 400 <= 0.98


def test_lift_is_one_without_structure_and_nothing_is_called_systematic() -> None:
    random = np.random.default_rng(5)
    n = 60_000
    predicted = random.integers(0, 6, n)
    said = np.where(random.random(n) < 0.2, (predicted + random.integers(1, 6, n)) % 6, predicted)
    found, pairs = model_confusions(answers_of(predicted, said, np.ones(n)), 100)
    assert pairs == len(found) == 30
    lifts = [each.lift.value for each in found if each.lift.value is not None]
    assert float(np.mean(lifts)) == pytest.approx(1.0, abs=0.01)
    assert not any(each.systematic for each in found)
    inside = sum(each.lift.low <= 1 <= each.lift.high for each in found)  # type: ignore[operator]  # defined where counted
    assert inside >= 27


def test_a_planted_confusion_stands_first_with_its_lift_and_examples() -> None:
    random = np.random.default_rng(6)
    n = 3_000
    predicted = random.integers(0, 6, n)
    said = np.where(random.random(n) < 0.1, (predicted + random.integers(1, 6, n)) % 6, predicted)
    said[(predicted == 2) & (random.random(n) < 0.3)] = 4
    first = model_confusions(answers_of(predicted, said, predicted % 2), 5)[0][0]
    assert (first.predicted, first.said) == ("c", "e")
    assert first.systematic
    assert first.shown == 0
    assert first.lift.low is not None
    assert first.lift.low > 2
    assert first.rate.n == int((predicted == 2).sum())
    assert all((predicted[int(i)], said[int(i)]) == (2, 4) for i in first.examples)


def test_two_labels_have_one_way_to_be_wrong() -> None:
    answers = answers_of([0] * 10, [1] * 5 + [0] * 5, np.ones(10), labels=("a", "b"))
    found = model_confusions(answers, 5)[0][0]
    assert (found.lift.value, found.p_value, found.systematic) == (1.0, None, False)


@pytest.mark.parametrize(
    ("examples", "unclear", "lacks"),
    [
        ({"e": 5, "c": 400}, set(), Lack.TRAINING),
        ({"e": 400, "c": 400}, {("c", "e")}, Lack.GUIDELINE),
        ({"e": 5, "c": 400}, {("c", "e")}, Lack.BOTH),
        ({"e": 400, "c": 400}, set(), Lack.MODEL),
        (None, set(), None),
        ({"e": 400, "c": 400}, None, None),
        (None, None, None),
        (None, {("c", "e")}, Lack.GUIDELINE),
        ({"c": 400}, None, Lack.TRAINING),
    ],
)
def test_a_confusion_says_what_lacks_as_far_as_that_is_known(
    examples: dict[str, int] | None, unclear: set[tuple[str, str]] | None, lacks: Lack | None
) -> None:
    answers = answers_of([2] * 50 + [0] * 50, [4] * 40 + [2] * 10 + [0] * 50, np.ones(100))
    background = Background(
        examples=examples, unclear=None if unclear is None else frozenset(unclear)
    )
    (found,), _ = model_confusions(answers, 5, background)
    assert found.systematic
    assert found.lacks is lacks
