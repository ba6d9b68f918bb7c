"""The schema goes back and forth below running processes, with data in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import Engine, text

from backend.store.schema import _config, migrate, schema_state
from tests.faults.loops import nothing_is_lost_or_doubled
from tests.faults.people import at_work
from tests.faults.plant import Plant
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.label_studio


@pytest.mark.long
def test_a_schema_that_goes_back_and_forth_loses_nothing(plant: Plant) -> None:
    engine = plant.stage.runtime.sessions.kw["bind"]
    with at_work(plant, seed=700):
        with engine.begin() as connection:
            command.downgrade(_config(connection), "-1")
        with ThreadPoolExecutor(3) as starters:  # as when several processes start at once
            list(starters.map(migrate, [engine] * 3))
    with engine.connect() as connection:
        state = schema_state(connection)
    assert state.current == state.head
    nothing_is_lost_or_doubled(plant)


@pytest.mark.long
def test_a_schema_of_the_future_is_left_alone(plant: Plant) -> None:
    engine = plant.stage.runtime.sessions.kw["bind"]
    known = revision(engine, "9999")
    try:
        log = plant.folder / "old-scheduler.log"
        with plant.stage.running("scheduler", log) as old:
            assert old.wait(PATIENCE_S) == 1
        assert "install the version that wrote it" in log.read_text("utf-8")
    finally:
        assert revision(engine, known) == "9999"
    nothing_is_lost_or_doubled(plant)


def revision(engine: Engine, new: str) -> str:
    """Say that the schema is another; which one it was."""
    with engine.begin() as connection:
        old = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": new})
    return str(old)
