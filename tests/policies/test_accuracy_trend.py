"""Better, plateaued, worse: what is said of versions, and how often it is said wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from policies.accuracy_trend import Standing, trend


def versions(
    accuracies: Sequence[float], n: int, random: np.random.Generator, churn: float = 0.3
) -> list[dict[int, bool]]:
    """Versions of these accuracies that get mostly the same tasks right.

    A task is as hard for all of them; ``churn`` is how much luck each version adds.
    """
    hard = random.random(n)
    made = []
    for accuracy in accuracies:
        luck = random.random(n)
        rank = np.argsort(np.argsort((1 - churn) * hard + churn * luck)) / n
        made.append(dict(enumerate((rank < accuracy).tolist())))
    return made


def drawn(
    accuracy: float, n: int, count: int, random: np.random.Generator
) -> list[dict[int, bool]]:
    """Versions that are truly alike: each task has its own chance, drawn anew for each version."""
    chance = random.beta(accuracy * 3, (1 - accuracy) * 3, n)
    return [dict(enumerate((random.random(n) < chance).tolist())) for _ in range(count)]


def test_a_steady_rise_and_a_steady_fall_are_said() -> None:
    random = np.random.default_rng(0)
    rising = trend(versions([0.70, 0.75, 0.80, 0.85, 0.90], 300, random))
    falling = trend(versions([0.90, 0.85, 0.80, 0.75, 0.70], 300, random))
    assert rising.standing is Standing.IMPROVING
    assert falling.standing is Standing.WORSE
    assert falling.says.startswith("getting worse: -19.9 points (")
    assert falling.says.endswith("over the last 5 versions, 300 holdout tasks")
    assert falling.change.value == pytest.approx(-0.2, abs=0.02)


def test_many_alike_have_plateaued() -> None:
    found = trend(versions([0.9] * 5, 2_000, np.random.default_rng(0), churn=0.05))
    assert found.standing is Standing.PLATEAUED
    assert found.says.startswith("plateaued: ")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_versions_say_nothing_yet(count: int) -> None:
    found = trend(versions([0.5, 0.9][:count], 500, np.random.default_rng(0)))
    assert found.standing is Standing.UNKNOWN
    assert found.says.startswith("cannot be said yet: it takes three versions")


def test_few_shared_tasks_say_nothing_yet() -> None:
    falling = versions([0.9, 0.6, 0.3], 29, np.random.default_rng(0))
    assert trend(falling).standing is Standing.UNKNOWN


def test_older_versions_with_few_tasks_are_left_out() -> None:
    """The holdout grows: the three newest versions share enough, the oldest two hardly anything."""
    made = versions([0.9, 0.9, 0.9, 0.8, 0.7], 300, np.random.default_rng(0))
    made[0] = {task: right for task, right in made[0].items() if task < 10}
    made[1] = {task: right for task, right in made[1].items() if task < 20}
    found = trend(made)
    assert (found.versions, found.standing) == (3, Standing.WORSE)


@pytest.mark.parametrize("n", [40, 200])
def test_worse_is_hardly_ever_said_of_versions_that_are_alike(n: int) -> None:
    """600 projects with 20 versions, asked after each: ever said of 1.2 % (n = 40) and 4.5 %."""
    random = np.random.default_rng(7)
    ever = 0
    for _ in range(600):
        made = drawn(0.85, n, 20, random)
        ever += any(
            trend(made[:newest]).standing is Standing.WORSE for newest in range(3, len(made) + 1)
        )
    assert ever / 600 <= 0.06
