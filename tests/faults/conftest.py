"""One installation for all faults of a kind: each test hurts it, and it must be whole again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.store.models import champion
from tests.faults.people import at_work
from tests.faults.plant import POSTGRESQL, REDIS, Plant, make_plant
from tests.real_servers import missing, postgresql_program
from tests.waiting import until

TASKS = 60


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """On SQLite, with a model that serves."""
    with ground() as folder, make_plant(folder, TASKS) as made:
        set_going(made)
        yield made


@pytest.fixture(scope="session")
def large_plant() -> Iterator[Plant]:
    """The same on a PostgreSQL and a Redis of its own, with a worker."""
    if postgresql_program("postgres") is None:
        missing("PostgreSQL's server", "PATH")
    if shutil.which("redis-server") is None:
        missing("Redis's server", "PATH")
    with ground() as folder, make_plant(folder, TASKS, [POSTGRESQL, REDIS]) as made:
        set_going(made)
        yield made


@contextmanager
def ground() -> Iterator[Path]:
    """A folder that no other test run closes: pytest does so to its own, whoever works there."""
    with tempfile.TemporaryDirectory(
        prefix="labelgate-faults-", ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def set_going(plant: Plant) -> None:
    """People label until a first model serves."""

    def serves() -> bool:
        with plant.stage.runtime.reads() as session:
            return champion(session, plant.stage.project_id) is not None

    with at_work(plant, seed=1, acts={"label": 1}):
        until(serves, "a first model serves")
