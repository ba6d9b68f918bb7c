"""One installation for all faults of a kind: each test hurts it, and it must be whole again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.loops import the_loop_goes_on
from tests.faults.people import People
from tests.faults.plant import Plant, make_plant

TASKS = 60
ACTS = 60  # until a first model serves


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """On SQLite, with a model that serves."""
    with make_plant(tmp_path_factory.mktemp("plant"), TASKS) as made:
        the_loop_goes_on(made)
        people = People(made, seed=1)
        for _ in range(ACTS):
            people.act()
        people.settle()
        yield made
