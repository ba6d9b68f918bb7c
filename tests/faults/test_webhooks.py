"""Webhooks that come twice, or never: they are hints, and the loop rests on none of them."""

from __future__ import annotations

import pytest

from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import Plant
from tests.waiting import until

pytestmark = pytest.mark.label_studio


@pytest.mark.parametrize(
    "copies", [pytest.param(0, id="lost"), pytest.param(2, id="doubled", marks=pytest.mark.long)]
)
def test_nothing_is_lost_or_doubled_whatever_becomes_of_webhooks(plant: Plant, copies: int) -> None:
    messenger = plant.messenger
    with messenger.bringing(copies):
        seen = messenger.sent
        with at_work(plant, seed=200 + copies):
            until(lambda: messenger.sent >= seen + 5, "Label Studio sends webhooks")
        nothing_is_lost_or_doubled(plant)
