"""The draw is fair whatever gaps there are, and looks up no more than it may."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from backend.what_if.drawing import CHUNK, Bounds, draw, numbers_among


class Lookups:
    """Finds those of the numbers that have a task, and notes what it was asked for."""

    def __init__(self, having: set[int]) -> None:
        self.having = having
        self.asked: list[list[int]] = []

    def __call__(self, chunk: list[int]) -> list[int]:
        self.asked.append(chunk)
        return [number for number in chunk if number in self.having]


def found(lookups: Lookups, ends: tuple[int, int], seed: int, bounds: Bounds) -> list[int]:
    drawn = draw(ends, seed, bounds, lookups)
    assert drawn.numbers == sum(map(len, lookups.asked))
    return [number for chunk in drawn.chunks for number in chunk]


@pytest.mark.simulation
@pytest.mark.parametrize(
    "having",
    [
        set(range(1, 401)),
        {*range(1, 101), *range(9_000, 9_300)},  # a gap of nearly everything
        {each * each for each in range(1, 120)},  # thinner and thinner
    ],
    ids=["dense", "one gap", "thinning"],
)
def test_every_task_is_as_likely_drawn_as_any_other(having: set[int]) -> None:
    ends = (min(having), max(having))
    size = ends[1] - ends[0] + 1
    bounds = Bounds(tasks=len(having) - 1, numbers=size // 3)
    times = dict.fromkeys(having, 0)
    for seed in range(1_500):
        for number in found(Lookups(having), ends, seed, bounds):
            times[number] += 1
    counts = np.array(list(times.values()))
    expected = 1_500 * bounds.numbers / size
    assert counts.mean() == pytest.approx(expected, rel=0.02)
    # Without replacement counts vary a little less than chi-square takes for granted.
    assert chisquare(counts).pvalue > 0.001


def test_nothing_is_looked_up_twice_and_the_same_seed_draws_the_same() -> None:
    having = set(range(1, 50_000, 3))
    bounds = Bounds(tasks=4_000, numbers=30_000)
    first, again, other = Lookups(having), Lookups(having), Lookups(having)
    numbers = found(first, (1, 50_000), 5, bounds)
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= having
    assert 4_000 <= len(numbers) < 4_000 + CHUNK
    assert found(again, (1, 50_000), 5, bounds) == numbers
    assert found(other, (1, 50_000), 6, bounds) != numbers
    asked = [number for chunk in first.asked for number in chunk]
    assert len(asked) == len(set(asked))
    assert max(map(len, first.asked)) <= CHUNK


def test_it_stops_at_its_bounds() -> None:
    lookups = Lookups(set())
    assert found(lookups, (1, 10**12), 1, Bounds(tasks=10, numbers=12_000)) == []
    assert sum(map(len, lookups.asked)) == 12_000


def test_a_small_project_is_looked_up_whole() -> None:
    having = {3, 7, 8_000}
    lookups = Lookups(having)
    numbers = found(lookups, (3, 8_000), 1, Bounds(tasks=8_000, numbers=8_000))
    assert set(numbers) == having
    assert sum(map(len, lookups.asked)) == 7_998


def test_nothing_to_draw_from() -> None:
    assert found(Lookups(set()), (1, 0), 1, Bounds(tasks=5, numbers=5)) == []
    assert len(numbers_among((1, 0), 1, 10)) == 0


def test_numbers_are_distinct_and_between_the_ends() -> None:
    numbers = numbers_among((100, 10**9), 3, 5_000)
    assert len(set(numbers.tolist())) == 5_000
    assert numbers.min() >= 100
    assert numbers.max() <= 10**9
    assert sorted(numbers_among((5, 9), 3, 100).tolist()) == [5, 6, 7, 8, 9]
