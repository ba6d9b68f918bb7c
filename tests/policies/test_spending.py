from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain import Estimate
from policies.spending import (
    Cost,
    Outcomes,
    Work,
    avoided_errors,
    cost_all_manual,
    cost_of,
    cost_per_avoided_error,
    expected_trainings,
    labour_by_tier,
)
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


def estimate(value: float | None, low: float | None, high: float | None, n: int = 50) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def test_errors_that_people_kept_out_and_what_each_cost() -> None:
    outcomes = Outcomes(
        labelled=1_000,
        accepted=600,
        accuracy=estimate(0.9, 0.8, 0.95),
        pass_rate=estimate(0.99, 0.95, 1.0),
    )
    avoided = avoided_errors(outcomes)
    assert avoided.value == pytest.approx(100 - 6)
    assert avoided.low == pytest.approx(50 - 30)
    assert avoided.high == pytest.approx(200)
    price = cost_per_avoided_error(Cost(labour=80.0, tooling=14.0, compute=999.0), avoided)
    assert price.value == pytest.approx(1.0)
    assert price.low == pytest.approx(94 / 200)
    assert price.high == pytest.approx(94 / 20)


def test_no_price_where_perhaps_nothing_was_avoided() -> None:
    perfect = Outcomes(
        labelled=100,
        accepted=100,
        accuracy=estimate(0.97, 0.9, 1.0),
        pass_rate=estimate(0.97, 0.9, 1.0),
    )
    price = cost_per_avoided_error(
        Cost(labour=5.0, tooling=0.0, compute=0.0), avoided_errors(perfect)
    )
    assert (price.value, price.high) == (None, None)


def test_a_model_whose_accuracy_nobody_knows_avoids_an_unknown_number() -> None:
    unknown = estimate(None, None, None, 0)
    nothing = Outcomes(labelled=10, accepted=0, accuracy=unknown, pass_rate=unknown)
    assert avoided_errors(nothing).value is None


def test_labour_by_tier() -> None:
    assert labour_by_tier(PRICED, WORK.looks) == {
        "general": pytest.approx(3.0),
        "senior": pytest.approx(2.0),
    }
