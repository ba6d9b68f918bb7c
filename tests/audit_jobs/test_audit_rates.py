"""The pass rate of accepted labels: weights, intervals, groups, and simulations of both."""

from __future__ import annotations

import doctest
from dataclasses import dataclass

import numpy as np
import pytest

from audit_jobs.measures import audits
from audit_jobs.measures.audits import PassRate, pass_rate, pass_rates
from policies.domain import BoolArray, FloatArray
from policies.intervals import UNKNOWN, wilson


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(audits)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("chance", [1.0, 0.05, 1e-300])
def test_with_equal_chances_it_is_the_plain_share_with_wilsons_interval(chance: float) -> None:
    found = pass_rate(np.arange(100) >= 3, np.full(100, chance))
    assert found.effective_n == pytest.approx(100)
    expected = wilson(97, 100)
    assert found.estimate.n == 100
    for name in ("value", "low", "high"):
        assert getattr(found.estimate, name) == pytest.approx(getattr(expected, name))


def test_each_audit_counts_the_labels_it_stands_for() -> None:
    passed = np.array([True] * 9 + [False] + [True] * 2 + [False] * 8)
    chances = np.repeat([0.05, 0.5], 10)  # 200 labels of which 180 pass, 20 of which 4 do
    found = pass_rate(passed, chances)
    assert found.estimate.value == pytest.approx(184 / 220)
    assert found.effective_n == pytest.approx(220**2 / (10 * 400 + 10 * 4))


def test_without_audits_nothing_is_known() -> None:
    assert pass_rate(np.zeros(0, bool), np.zeros(0)) == PassRate(estimate=UNKNOWN, effective_n=0.0)
    assert pass_rates(np.zeros(0, object), np.zeros(0, bool), np.zeros(0)) == {}


@pytest.mark.parametrize("wrong", [0, 30])
def test_where_all_are_alike_the_interval_still_has_a_width(wrong: int) -> None:
    found = pass_rate(np.arange(30) >= wrong, np.repeat([0.1, 0.2], 15)).estimate
    assert found.low is not None
    assert found.high is not None
    assert 0.05 < found.high - found.low < 0.2
    assert found.value == (1.0 if wrong == 0 else 0.0)


def test_a_known_population_narrows_the_interval_down_to_nothing() -> None:
    passed = np.arange(200) >= 6
    widths = []
    for population in (None, 100_000, 400, 200):
        found = pass_rate(passed, np.full(200, 0.5), population=population).estimate
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.01)
    assert widths[2] == pytest.approx(widths[0] / 2**0.5, rel=0.05)
    assert widths[3] == 0


def test_errors_in_a_part_that_was_looked_at_whole_leave_little_doubt() -> None:
    passed = np.array([False] * 20 + [True] * 80 + [True] * 20)
    chances = np.repeat([1.0, 0.2], [100, 20])
    of_these = pass_rate(passed, chances, population=200).estimate
    of_all_alike = pass_rate(passed, chances).estimate
    assert of_these.value == of_all_alike.value == pytest.approx(180 / 200)
    assert of_these.low is not None
    assert of_all_alike.low is not None
    assert of_these.low > of_all_alike.low


def test_groups_have_their_own_rates_in_order_of_their_names() -> None:
    groups = np.array(["spam", "ham", "spam", "ham", "spam"], object)
    passed = np.array([True, True, False, True, True])
    chances = np.array([0.1, 0.2, 0.5, 0.2, 0.1])
    found = pass_rates(groups, passed, chances)
    assert list(found) == ["ham", "spam"]
    mask = groups == "spam"
    assert found["spam"] == pass_rate(passed[mask], chances[mask])
    assert found["ham"].estimate.n == 2


def test_a_hundred_thousand_labels_are_no_trouble() -> None:
    many = np.array([f"label {place % 50_000}" for place in range(100_000)], object)
    assert len(pass_rates(many, np.ones(100_000, bool), np.full(100_000, 0.1))) == 50_000


@pytest.mark.parametrize(
    ("chances", "population", "says"),
    [
        ([0.0, 0.5], None, "above 0"),
        ([0.5, 1.5], None, "at most 1"),
        ([0.5, float("nan")], None, "above 0"),
        ([0.5], None, "differ in length"),
        ([0.5, 0.5], 1, "2 audits of 1 labels"),
    ],
)
def test_what_cannot_be_is_refused(chances: list[float], population: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pass_rate(np.ones(2, bool), np.array(chances), population=population)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Labels that were accepted, by how many of each, the share wrong, and the audited share."""

    sizes: tuple[int, ...]
    wrong: tuple[float, ...]
    audited: tuple[float, ...]

    @property
    def right(self) -> float:
        return 1 - float(np.average(self.wrong, weights=self.sizes))

    def audits(self, source: np.random.Generator) -> tuple[BoolArray, FloatArray]:
        """A hash draws every accept on its own, so the number of audits is random too."""
        drawn = source.binomial(self.sizes, self.audited)
        chances = np.repeat(self.audited, drawn)
        return source.random(len(chances)) >= np.repeat(self.wrong, drawn), chances


# Rare labels have floors, and more errors: what a policy's `audit.per_label` makes.
FLOORS = Traffic((15_000, 3_000, 1_500, 500), (0.01, 0.03, 0.05, 0.10), (0.02, 0.05, 0.1, 0.3))
TRAFFIC = {
    "floors": FLOORS,
    "floors_twice_the_audits": Traffic(FLOORS.sizes, FLOORS.wrong, (0.04, 0.1, 0.2, 0.5)),
    "errors_anywhere": Traffic(FLOORS.sizes, (0.02, 0.02, 0.02, 0.02), FLOORS.audited),
    "errors_under_heavy_weights": Traffic((18_000, 2_000), (0.03, 0.001), (0.02, 0.2)),
    "one_share": Traffic((20_000,), (0.03,), (0.03,)),
}


@pytest.mark.simulation
def test_weighted_it_is_unbiased_and_the_plain_share_of_the_audits_is_not() -> None:
    source = np.random.default_rng(21)
    weighted, plain = [], []
    for _ in range(3_000):
        passed, chances = FLOORS.audits(source)
        weighted.append(pass_rate(passed, chances).estimate.value)
        plain.append(passed.mean())
    error = np.std(np.array(weighted, float)) / 3_000**0.5
    assert abs(np.mean(np.array(weighted, float)) - FLOORS.right) < 3 * error
    assert error < 0.0002
    # 1.8 % of the labels are wrong, 4 % of the audits are.
    assert np.mean(plain) - FLOORS.right < -0.02


@pytest.mark.simulation
@pytest.mark.parametrize("name", TRAFFIC)
def test_the_interval_covers_as_often_as_it_says(name: str) -> None:
    traffic, source = TRAFFIC[name], np.random.default_rng(22)
    covered = []
    for _ in range(3_000):
        found = pass_rate(*traffic.audits(source)).estimate
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= traffic.right <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.simulation
def test_the_interval_covers_the_labels_of_a_known_population() -> None:
    source, labels = np.random.default_rng(23), np.repeat([0, 1], 1_000)
    chances = np.array([0.3, 0.6])[labels]
    covered = []
    for _ in range(3_000):
        right = source.random(2_000) >= np.array([0.05, 0.1])[labels]
        drawn = source.random(2_000) < chances
        found = pass_rate(right[drawn], chances[drawn], population=2_000).estimate
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= right.mean() <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.simulation
def test_many_errors_that_weigh_nothing_do_not_make_the_interval_sure() -> None:
    """A rare label is audited whole and errs often; what all the others stand on are few audits."""
    source, labels = np.random.default_rng(24), np.repeat([0, 1], [19_900, 100])
    chances, rates = np.array([0.003, 0.6])[labels], np.array([0.045, 0.3])[labels]
    covered = []
    for _ in range(3_000):
        right = source.random(len(labels)) >= rates
        drawn = source.random(len(labels)) < chances
        found = pass_rate(right[drawn], chances[drawn], population=len(labels)).estimate
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= right.mean() <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97
