from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.spending import Cost, Work, cost_all_manual, cost_of, expected_trainings
from tests.fakes.policy_documents import make_policy

PRICED = make_policy(
    prices={"tooling_per_label": 0.02, "compute_per_prediction": 0.001, "compute_per_training": 3},
    retrain={"after_annotations": 100, "minimum_labels": 50},
)
WORK = Work(looks={"general": 30, "senior": 2}, predictions=500, trainings=4)


def test_each_line_item() -> None:
    cost = cost_of(PRICED, WORK)
    assert cost.labour == pytest.approx(30 * 0.1 + 2 * 1.0)
    assert cost.tooling == pytest.approx(32 * 0.02)
    assert cost.compute == pytest.approx(500 * 0.001 + 4 * 3)
    assert cost.total == pytest.approx(5.0 + 0.64 + 12.5)
    assert cost.items == {
        "labour": cost.labour,
        "tooling": cost.tooling,
        "compute": cost.compute,
    }


def test_without_prices_only_people_cost() -> None:
    assert cost_of(make_policy(), WORK) == Cost(labour=5.0, tooling=0.0, compute=0.0)


def test_all_by_hand_takes_the_first_tier_and_its_tools_and_no_model() -> None:
    assert cost_all_manual(PRICED, 100) == pytest.approx(100 * (0.1 + 0.02))
    assert cost_all_manual(PRICED, 0) == 0


def test_looks_of_a_tier_that_does_not_exist() -> None:
    with pytest.raises(KeyError, match="no tier 'boss'"):
        cost_of(PRICED, Work(looks={"boss": 1}, predictions=0, trainings=0))


@pytest.mark.parametrize(
    ("looks", "trainings"), [(0, 0), (49, 0), (50, 1), (149, 1), (150, 2), (1_050, 11)]
)
def test_trainings_start_at_the_minimum_and_follow_the_trigger(looks: int, trainings: int) -> None:
    assert expected_trainings(PRICED, looks) == trainings


_counts = st.integers(0, 10**6)


@given(general=_counts, senior=_counts, predictions=_counts, trainings=_counts)
def test_twice_the_work_costs_twice_as_much(
    general: int, senior: int, predictions: int, trainings: int
) -> None:
    looks = {"general": general, "senior": senior}
    once = Work(looks=looks, predictions=predictions, trainings=trainings)
    twice = Work(
        looks={tier: 2 * count for tier, count in looks.items()},
        predictions=2 * predictions,
        trainings=2 * trainings,
    )
    assert cost_of(PRICED, twice).total == pytest.approx(2 * cost_of(PRICED, once).total)
