from __future__ import annotations

import numpy as np
import pytest

from audit_jobs.simulation.reviewers import Reviewers, neighbours_of, reviewers
from policies.simulated_people import SimulatedPeople

LABELS = ("a", "b", "c", "d")


def people(rate: float = 0.2, seed: int = 0, confusion: str = "uniform") -> Reviewers:
    values = {"error_rate": {"general": rate}, "confusion": confusion}
    return reviewers(SimulatedPeople.model_validate(values), LABELS, seed)


def said(by: Reviewers, tier: str = "general", looks: int = 1, tasks: int = 4_000) -> list[str]:
    return [label for task in range(tasks) for label in by.answers(task, "a", tier, looks)]


def test_a_look_errs_at_its_tiers_rate() -> None:
    wrong = sum(label != "a" for label in said(people(0.2)))
    assert wrong / 4_000 == pytest.approx(0.2, abs=0.02)
    assert said(people(0.2), "senior") == ["a"] * 4_000  # a tier that the policy does not rate


def test_uniform_errors_are_spread_and_neighbours_are_one_label() -> None:
    uniform = said(people(0.3))
    shares = [uniform.count(label) / 4_000 for label in ("b", "c", "d")]
    assert shares == pytest.approx([0.1] * 3, abs=0.02)
    assert len(set(said(people(0.3, confusion="neighbour")))) == 2


def test_people_err_independently_of_each_other() -> None:
    answers = np.array([people(0.3).answers(task, "a", "general", 2) for task in range(4_000)])
    first, second = (answers != "a").T
    assert np.mean(first & second) == pytest.approx(0.09, abs=0.015)


def test_a_seed_is_one_draw_whenever_it_is_asked() -> None:
    backwards = [people().answers(task, "a", "general", 2) for task in reversed(range(500))]
    forwards = [people().answers(task, "a", "general", 2) for task in range(500)]
    assert backwards[::-1] == forwards
    assert forwards != [people(seed=1).answers(task, "a", "general", 2) for task in range(500)]
    assert [people().answers(task, "a", "general", 1)[0] for task in range(500)] == [
        two[0] for two in forwards
    ]


def test_where_there_is_one_label_nobody_can_take_another() -> None:
    values = SimulatedPeople(error_rate={"general": 0.9})
    assert set(said(reviewers(values, ["a"], 0), tasks=50)) == {"a"}


def test_nobody_is_a_neighbour_of_itself() -> None:
    neighbours = neighbours_of(LABELS, np.random.default_rng(3))
    assert set(neighbours) == set(neighbours.values()) == set(LABELS)
    assert all(label != other for label, other in neighbours.items())
