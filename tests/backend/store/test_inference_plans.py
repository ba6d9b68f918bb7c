"""What every round asks of a million inferences goes by an index, whatever SQLite thinks of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from backend.runtime import Runtime
from backend.store import inference_samples, inference_tasks, verified_inferences
from backend.store.inferences import DRAWN, WAITING, delete_inferences
from backend.store.tasks import StoredTask, store_tasks
from tests.fakes.query_plans import sqlite_steps, statements_of
from tests.fakes.worked_project import worked_policy, worked_project

BY_STATE, BY_TIME = "ix_inferences_project_id_state_id", "ix_inferences_project_id_at"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return worked_project(tmp_path, worked_policy()).runtime


def plans(runtime: Runtime, ask: Callable[[Session], Any]) -> list[str]:
    """How SQLite finds the rows of each statement that ``ask`` makes."""
    engine = runtime.sessions.kw["bind"]
    return sqlite_steps(engine, statements_of(engine, ask))


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: inference_samples.count_in_states(s, 1, (WAITING, DRAWN)),
        lambda s: inference_samples.earliest_waiting(s, 1),
        lambda s: inference_samples.waiting_inferences(s, 1, 0, 100, with_data=True),
        lambda s: inference_tasks.drawn_inferences(s, 1, 0, 100, kept=True),
        lambda s: inference_tasks.count_wanting(s, 1),
        lambda s: inference_tasks.wanting_data(s, 1),
        lambda s: inference_tasks.wanting_data(s, 1, lost=True),
        lambda s: inference_samples.first_wanted(s, 1, lost=True),
        lambda s: verified_inferences.picked_inferences(s, 1, ("country",)),
        lambda s: verified_inferences.count_inferences(s, 1),
        lambda s: delete_inferences(s, 1, "passed", NOW, 100),
    ],
)
def test_what_waits_or_was_drawn_is_found_by_its_state(
    runtime: Runtime, ask: Callable[[Session], Any]
) -> None:
    read = [plan for plan in plans(runtime, ask) if " inferences " in f"{plan} "]
    assert read
    assert all(BY_STATE in plan for plan in read)


def test_a_window_is_found_by_its_time(runtime: Runtime) -> None:
    days = (date(2026, 1, 1), date(2026, 1, 7))
    found = plans(runtime, lambda s: verified_inferences.kept_inferences(s, 1, "v1", days, 100))
    assert all(BY_TIME in plan for plan in found if "inferences" in plan)


def test_tasks_older_than_what_is_wanted_are_not_read(runtime: Runtime) -> None:
    times = {number: datetime(2026, 1, number, tzinfo=UTC) for number in range(1, 6)}
    for number, now in times.items():
        with runtime.sessions.begin() as session:
            store_tasks(session, 1, [StoredTask(id=10 * number, data={"text": "x"})], now)
    with runtime.reads() as session:
        for moment, expected in ((NOW, 50), (times[3], 20), (times[1], 0)):
            assert inference_tasks.newest_task_before(session, 1, moment) == expected
    (plan,) = plans(runtime, lambda s: inference_tasks.newest_task_before(s, 1, NOW))
    assert plan.startswith("SEARCH tasks USING INDEX")  # by id, backwards, with no sorting
