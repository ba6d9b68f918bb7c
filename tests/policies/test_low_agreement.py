"""When agreement is too low: certainly by the interval, likely by the value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain import Estimate
from policies.low_agreement import LEAST_TASKS, Standing, standing


@pytest.mark.parametrize(
    ("value", "high", "n", "expected"),
    [
        (0.5, 0.66, 50, Standing.CERTAIN),
        (0.5, 0.67, 50, Standing.LIKELY),
        (0.5, None, 50, Standing.LIKELY),
        (0.67, 0.8, 50, Standing.FINE),
        (0.5, 0.66, LEAST_TASKS - 1, Standing.UNKNOWN),
        (None, None, 50, Standing.UNKNOWN),
    ],
)
def test_the_interval_makes_it_certain_and_few_tasks_tell_nothing(
    value: float | None, high: float | None, n: int, expected: Standing
) -> None:
    alpha = Estimate(value=value, low=None, high=high, n=n)
    assert standing(alpha, 0.67) is expected


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_minimum_never_makes_it_better(value: float, above: float, minimum: float) -> None:
    order = [Standing.FINE, Standing.LIKELY, Standing.CERTAIN]
    alpha = Estimate(value=value, low=None, high=value + above, n=100)
    stricter = min(1.0, minimum + 0.1)
    assert order.index(standing(alpha, stricter)) >= order.index(standing(alpha, minimum))
