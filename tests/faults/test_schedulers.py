"""Two schedulers at once, one of which dies: each piece of work is done once, and goes on."""

from __future__ import annotations

import pytest

from tests.faults.loops import nothing_is_lost_or_doubled, the_loop_goes_on
from tests.faults.people import at_work
from tests.faults.plant import Plant

pytestmark = pytest.mark.label_studio


@pytest.mark.long
def test_two_schedulers_double_nothing(plant: Plant) -> None:
    log = plant.folder / "second-scheduler.log"
    with plant.stage.running("scheduler", log) as second:
        with at_work(plant, seed=600):
            the_loop_goes_on(plant)
            assert plant.kill("scheduler")
            the_loop_goes_on(plant)
        nothing_is_lost_or_doubled(plant)
        assert second.poll() is None, log.read_text("utf-8")
    nothing_is_lost_or_doubled(plant)
