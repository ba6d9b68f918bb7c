"""kill -9 of every process at random points of a running loop: nothing is lost, nothing doubled."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from tests.faults.invariants import remember
from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import LABEL_STUDIO, POSTGRESQL, REDIS, SERVE, TRAINER, Plant

pytestmark = pytest.mark.label_studio

SEED = 20261122
# How often each is chosen, where it runs: a trainer does not always.
VICTIMS = {
    "web": 4,
    "web worker": 3,
    "scheduler": 6,
    "worker": 6,
    TRAINER: 8,
    LABEL_STUDIO: 2,
    SERVE: 1,
    POSTGRESQL: 3,
    REDIS: 3,
}
_EVERY = 20  # kills between two looks at everything


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.long)])
def test_nothing_is_lost_or_doubled_when_processes_are_killed(plant: Plant, kills: int) -> None:
    killed = killed_while_people_work(plant, kills)
    assert killed["scheduler"]
    assert killed["web"] + killed["web worker"]


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.long)])
def test_nothing_is_lost_or_doubled_on_postgresql(large_plant: Plant, kills: int) -> None:
    killed = killed_while_people_work(large_plant, kills - 2)
    with at_work(large_plant, seed=SEED):  # by name, so that no seed can leave them out
        assert large_plant.kill(POSTGRESQL)
        assert large_plant.kill(REDIS)
    nothing_is_lost_or_doubled(large_plant)
    assert killed["scheduler"] + killed["worker"]


def killed_while_people_work(plant: Plant, kills: int) -> Counter[str]:
    """Kill so many at random points, and look at everything now and then; what was killed."""
    rng = random.Random(SEED)  # noqa: S311  # which process dies, and when: nothing secret
    killed: Counter[str] = Counter()
    began = time.monotonic()
    while killed.total() < kills:
        wanted = min(_EVERY, kills - killed.total())
        with at_work(plant, seed=SEED + killed.total()) as people:
            killed += kill_at_random(plant, rng, wanted)
        nothing_is_lost_or_doubled(plant)
        print(  # the long form's figures
            f"{killed.total()} kills {dict(killed)} in {time.monotonic() - began:.0f} s, "
            f"{people.acts} acts, {people.outages} outages seen"
        )
    return killed


def kill_at_random(plant: Plant, rng: random.Random, kills: int) -> Counter[str]:
    """Kill so many, one after the other, at random moments."""
    killed: Counter[str] = Counter()
    while killed.total() < kills:
        running = sorted(VICTIMS.keys() & plant.victims().keys())
        [name] = rng.choices(running, weights=[VICTIMS[each] for each in running])
        if plant.kill(name):
            killed[name] += 1
            remember(plant)
        time.sleep(rng.uniform(0.2, 3.0))  # the random moment is the point of the test
    return killed
