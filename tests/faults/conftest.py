"""One installation for all faults of a kind: each test hurts it, and it must be whole again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.loops import the_loop_goes_on
from tests.faults.people import People
from tests.faults.plant import POSTGRESQL, Plant, make_plant
from tests.real_servers import missing, postgresql_program

TASKS = 60
ACTS = 60  # until a first model serves


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """On SQLite, with a model that serves."""
    with make_plant(tmp_path_factory.mktemp("plant"), TASKS) as made:
        set_going(made)
        yield made


@pytest.fixture(scope="session")
def large_plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The same on a PostgreSQL of its own."""
    if postgresql_program("postgres") is None:
        missing("PostgreSQL's server", "PATH")
    with make_plant(tmp_path_factory.mktemp("large-plant"), TASKS, [POSTGRESQL]) as made:
        set_going(made)
        yield made


def set_going(plant: Plant) -> None:
    """People label until a first model serves."""
    the_loop_goes_on(plant)
    people = People(plant, seed=1)
    for _ in range(ACTS):
        people.act()
    people.settle()
