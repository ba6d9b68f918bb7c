"""One installation for all faults of a kind: each test hurts it, and it must be whole again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from backend.store.models import champion
from tests.faults.people import at_work
from tests.faults.plant import POSTGRESQL, REDIS, Plant, make_plant
from tests.real_servers import missing, postgresql_program
from tests.waiting import until

TASKS = 60


class Installations:
    """Those that stand now; they end with the last test of this folder, whatever comes after it."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, ...], Plant] = {}
        self._ends = ExitStack()

    def with_stores(self, *stores: str) -> Plant:
        """An installation on these stores, SQLite alone without any, with a model that serves."""
        if stores not in self._standing:
            folder = self._ends.enter_context(ground())
            made = self._ends.enter_context(make_plant(folder, TASKS, stores))
            set_going(made)
            self._standing[stores] = made
        return self._standing[stores]

    def end(self) -> None:
        """End all of them; what is asked for later is made anew."""
        self._standing.clear()
        self._ends.close()


@pytest.fixture(scope="session")
def installations() -> Iterator[Installations]:
    """All that tests of faults share."""
    standing = Installations()
    yield standing
    standing.end()


@pytest.fixture
def plant(installations: Installations) -> Plant:
    """On SQLite."""
    return installations.with_stores()


@pytest.fixture
def large_plant(installations: Installations) -> Plant:
    """The same on a PostgreSQL and a Redis of its own, with a worker."""
    if postgresql_program("postgres") is None:
        missing("PostgreSQL's server", "PATH")
    if shutil.which("redis-server") is None:
        missing("Redis's server", "PATH")
    return installations.with_stores(POSTGRESQL, REDIS)


def pytest_runtest_teardown(item: pytest.Function, nextitem: pytest.Item | None) -> None:
    """Thousands of tests may follow, from which two Label Studios would take processor time."""
    if nextitem is None or "tests/faults/" not in nextitem.nodeid:
        standing = item.funcargs.get("installations")
        if isinstance(standing, Installations):
            standing.end()


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
