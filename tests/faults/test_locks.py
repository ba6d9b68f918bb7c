"""The database is locked by somebody else for a while: work waits, and nothing is lost."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import Plant

pytestmark = pytest.mark.label_studio


# 20 s is how long a writer waits for the lock of SQLite.
@pytest.mark.parametrize("hold_s", [3.0, pytest.param(30.0, marks=pytest.mark.long)])
def test_a_locked_database_is_outlived(plant: Plant, hold_s: float) -> None:
    runtime = plant.stage.runtime
    with at_work(plant, seed=400):
        with runtime.sessions.begin() as session:  # on SQLite: the write lock, at once
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("LOCK TABLE tasks, decisions, events IN EXCLUSIVE MODE"))
            time.sleep(hold_s)  # the lock is held for that long: that is the fault
            assert plant.stage.healthy()
        time.sleep(1)
    nothing_is_lost_or_doubled(plant)
