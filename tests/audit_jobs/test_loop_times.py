"""Time to loop close: its parts, their mean and its interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit_jobs.measures.loop_times import mean_times
from policies.loops import PARTS, ClosedLoop

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def loop(*hours: float, label: bool = True) -> ClosedLoop:
    """A loop whose marks stand so many hours after its start."""
    last, started, trained, promoted = (START + timedelta(hours=hour) for hour in hours)
    return ClosedLoop(
        version="v1",
        closed_by="v2",
        first_prediction=START,
        last_label=last if label else None,
        started=started,
        trained=trained,
        promoted=promoted,
    )


def test_the_parts_add_up_to_the_whole() -> None:
    seconds = loop(20, 21, 23, 23.5).seconds
    assert seconds == {"people": 72_000, "trigger": 3_600, "training": 7_200, "gate": 1_800}
    assert sum(seconds.values()) == 23.5 * 3_600


def test_a_training_that_no_label_led_to_waited_for_its_trigger() -> None:
    assert loop(0, 2, 3, 3, label=False).seconds["people"] == 0
    assert loop(0, 2, 3, 3, label=False).seconds["trigger"] == 7_200


def test_clocks_that_differ_give_no_negative_time() -> None:
    seconds = loop(5, 4, 6, 6).seconds  # the label's clock is an hour ahead
    assert seconds == {"people": 18_000, "trigger": 0, "training": 3_600, "gate": 0}


def test_means_come_with_a_t_interval() -> None:
    found = mean_times([loop(h, h + 1, h + 2, h + 3) for h in (10, 12, 14)])
    total = found["total"]
    assert total.value == 15 * 3_600
    assert total.n == 3
    margin = 4.302652729911275 * 2 * 3_600 / 3**0.5  # t with two degrees of freedom
    assert total.high == pytest.approx(15 * 3_600 + margin)
    assert total.low == pytest.approx(15 * 3_600 - margin)
    assert found["gate"].low == found["gate"].high == 3_600
    assert set(found) == {"total", *PARTS}


def test_one_loop_has_no_interval_and_none_has_no_mean() -> None:
    alone = mean_times([loop(1, 2, 3, 4)])["total"]
    assert (alone.value, alone.low, alone.high, alone.n) == (14_400, None, None, 1)
    assert mean_times([])["people"].value is None
