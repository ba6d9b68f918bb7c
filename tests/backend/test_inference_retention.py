"""How long inferences are kept: what was looked at goes in time, nothing else ever."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from audit_jobs.schedule import forget
from backend.inferences.intake import BatchKey, read_batch, take_in
from backend.inferences.retention import Forgotten, forget_inferences
from backend.store.inference_batches import known_batch
from backend.store.inference_tables import InferenceDayRow, InferenceRow
from backend.store.inferences import DRAWN, LOST, PASSED, PLACED, WAITING
from backend.store.projects import active_project, mark_disconnected
from backend.store.tables import PolicyRow
from tests.fakes.inferences import inference, kept, monitored_project
from tests.fakes.web_project import PROJECT_ID, WebProject

DAY_S = 86_400
STATES = (WAITING, PASSED, DRAWN, PLACED, LOST)


@pytest.fixture
def project(tmp_path: Path) -> WebProject:
    return monitored_project(tmp_path, "retention_days: 10")


def came_in(project: WebProject, first: int, key: str | None = None) -> None:
    """Fifty new ones, ten in every state."""
    with project.runtime.reads() as session:
        connected = active_project(session, PROJECT_ID)
    assert connected is not None
    sent = [inference(number) for number in range(first, first + 50)]
    batch = None if key is None else BatchKey(name=key, sha256="0")
    take_in(project.runtime, connected, read_batch(project.runtime, connected, sent), batch)
    with project.runtime.sessions.begin() as session:
        for place, state in enumerate(STATES):
            ids = [f"req-{number}" for number in range(first + place, first + 50, 5)]
            session.execute(
                update(InferenceRow).where(InferenceRow.inference_id.in_(ids)).values(state=state)
            )


def states(project: WebProject) -> Counter[str]:
    return Counter(row["state"] for row in kept(project))


def test_what_was_not_sampled_is_deleted_after_its_days(project: WebProject) -> None:
    came_in(project, 0)
    project.clock.forward(6 * DAY_S)
    came_in(project, 100)
    assert forget_inferences(project.runtime) == Forgotten()
    project.clock.forward(5 * DAY_S)
    # In chunks that are smaller than what is due, and that end in the middle of it.
    pauses: list[float] = []
    found = forget_inferences(project.runtime, chunk=3, pause=pauses.append)
    assert found == Forgotten(deleted=20, blanked=10)
    assert len(pauses) == 9  # three full chunks of each kind of ten: others have their turn
    assert states(project) == {WAITING: 20, DRAWN: 20, PLACED: 20, PASSED: 10, LOST: 10}
    assert forget_inferences(project.runtime) == Forgotten()


def test_of_what_became_a_task_the_data_alone_is_gone(project: WebProject) -> None:
    came_in(project, 0)
    before = [row for row in kept(project) if row["state"] == PLACED]
    project.clock.forward(11 * DAY_S)
    forget_inferences(project.runtime)
    after = [row for row in kept(project) if row["state"] == PLACED]
    assert after == [row | {"data": None} for row in before]
    assert all(row["data"] for row in kept(project) if row["state"] in {WAITING, DRAWN})


def test_what_nobody_looked_at_is_never_deleted(project: WebProject) -> None:
    came_in(project, 0)
    project.clock.forward(5000 * DAY_S)
    forget_inferences(project.runtime)
    assert states(project) == {WAITING: 10, DRAWN: 10, PLACED: 10}


def test_days_are_counted_from_when_an_answer_came_in(project: WebProject) -> None:
    came_in(project, 0)
    with project.runtime.sessions.begin() as session:  # an import of last year's answers
        session.execute(update(InferenceRow).values(at=project.clock() - timedelta(days=400)))
    assert forget_inferences(project.runtime).deleted == 0


def test_a_disconnected_project_is_held_to_its_last_policy(project: WebProject) -> None:
    came_in(project, 0)
    with project.runtime.sessions.begin() as session:
        mark_disconnected(session, PROJECT_ID, project.clock())
    project.clock.forward(9 * DAY_S)
    assert forget_inferences(project.runtime).deleted == 0
    project.clock.forward(2 * DAY_S)
    assert forget_inferences(project.runtime) == Forgotten(deleted=40, blanked=10)
    assert states(project) == {PLACED: 10}  # no job will look at what waited


def test_keys_are_dropped_after_thirty_days(project: WebProject) -> None:
    came_in(project, 0, key="old")
    project.clock.forward(20 * DAY_S)
    came_in(project, 100, key="new")
    project.clock.forward(11 * DAY_S)
    assert forget_inferences(project.runtime).keys == 1
    with project.runtime.reads() as session:
        assert known_batch(session, PROJECT_ID, "old") is None
        assert known_batch(session, PROJECT_ID, "new") is not None


def test_the_nightly_forgetting_does_it_and_counts_stay(project: WebProject) -> None:
    came_in(project, 0)
    day = InferenceDayRow(
        project_id=PROJECT_ID,
        day="2026-03-01",
        model_version="2026-02",
        predicted="A",
        slice="",
        answers=25,
    )
    with project.runtime.sessions.begin() as session:
        session.add(day)
    project.clock.forward(400 * DAY_S)
    forget(project.runtime)
    assert states(project) == {WAITING: 10, DRAWN: 10, PLACED: 10}
    with project.runtime.reads() as session:
        assert session.scalar(select(func.sum(InferenceDayRow.answers))) == 25


def test_a_policy_that_cannot_be_read_keeps_all_and_stops_no_other(
    project: WebProject, caplog: pytest.LogCaptureFixture
) -> None:
    came_in(project, 0, key="old")
    with project.runtime.sessions.begin() as session:
        session.execute(update(PolicyRow).values(text="of another version: true"))
    project.clock.forward(400 * DAY_S)
    assert forget_inferences(project.runtime) == Forgotten(keys=1)
    assert "inferences.all_kept project=1" in caplog.text
