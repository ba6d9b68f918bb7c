"""The line between Labelgate and Label Studio is cut, slow, or ends in the middle of an answer."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import Plant
from tests.faults.wires import Trouble
from tests.waiting import until

pytestmark = pytest.mark.label_studio

CUT = Trouble(is_cut=True)
SLOW = Trouble(latency_s=5.0)
HALVED = Trouble(answer_bytes=400)  # the headers and the beginning of the body
UNANSWERED = Trouble(answer_bytes=0)


@pytest.mark.parametrize(
    ("trouble", "spells"),
    [
        pytest.param(CUT, 1, id="cut"),
        pytest.param(UNANSWERED, 1, id="unanswered"),
        pytest.param(CUT, 5, id="cut-5", marks=pytest.mark.long),
        pytest.param(SLOW, 5, id="slow-5", marks=pytest.mark.long),
        pytest.param(HALVED, 5, id="halved-5", marks=pytest.mark.long),
        pytest.param(UNANSWERED, 5, id="unanswered-5", marks=pytest.mark.long),
    ],
)
def test_nothing_is_lost_or_doubled_on_a_bad_line(
    plant: Plant, trouble: Trouble, spells: int
) -> None:
    for spell in range(spells):
        with at_work(plant, seed=100 + spell):
            before = plant.wire.tried
            with plant.wire.in_trouble(trouble):
                until(partial(tried_since, plant, before + 3), "the line is used")
            time.sleep(0.5)  # in the middle of work that goes on
        nothing_is_lost_or_doubled(plant)


def tried_since(plant: Plant, before: int) -> bool:
    """Whether Labelgate has tried the line more often than that."""
    return plant.wire.tried > before


@pytest.mark.long
def test_people_are_answered_while_label_studio_is_out_of_reach(plant: Plant) -> None:
    with plant.wire.in_trouble(CUT):
        before = plant.wire.tried
        until(partial(tried_since, plant, before), "it is asked in vain")
        assert plant.stage.healthy()
    nothing_is_lost_or_doubled(plant)
