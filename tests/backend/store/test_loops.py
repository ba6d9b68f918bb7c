"""Closed loops as the store tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend import training
from backend.promotion import promote
from backend.store.loops import closed_loops
from backend.store.model_tables import ModelRow
from backend.store.models import CHAMPION, KEPT
from backend.store.training import request_training
from policies.loops import ClosedLoop
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    policy = worked_policy(retrain={"after_annotations": 1000, "minimum_labels": 10})
    made = worked_project(tmp_path, policy)
    made.add(["fruit", "motor"] * 40)
    return made


def label(worked: WorkedProject, count: int) -> None:
    waiting = [task for task in worked.tasks if not task.annotations][:count]
    for task in waiting:
        said = "A" if "apples" in task.data["text"] else "B"
        worked.server.submit(worked.people["ann"], task.id, said)
    worked.settle()


def train(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 0, worked.clock())
    worked.clock.forward(60)
    assert training.train(worked.runtime, worked.project)["state"] == "promoted"


def loops_of(worked: WorkedProject) -> list[ClosedLoop]:
    with worked.runtime.reads() as session:
        return closed_loops(session, worked.project_id)


def test_a_loop_closes_when_the_next_version_is_promoted(worked: WorkedProject) -> None:
    label(worked, 30)
    train(worked)
    worked.settle()
    assert loops_of(worked) == []  # v1 predicts, nobody has learned from it yet

    worked.clock.forward(3_600)
    label(worked, 20)
    worked.clock.forward(600)
    train(worked)

    [loop] = loops_of(worked)
    assert (loop.version, loop.closed_by) == ("v1", "v2")
    seconds = loop.seconds
    assert seconds["people"] == pytest.approx(3_600, abs=5)
    assert seconds["trigger"] == pytest.approx(660, abs=5)
    assert 0 <= seconds["training"] < 5
    whole = (loop.promoted - loop.first_prediction).total_seconds()
    assert sum(seconds.values()) == pytest.approx(whole)


def test_a_version_that_no_task_was_decided_by_opens_no_loop(worked: WorkedProject) -> None:
    label(worked, 30)
    train(worked)
    train(worked)
    assert loops_of(worked) == []


def test_a_version_from_before_that_is_promoted_by_hand_closes_no_loop(
    worked: WorkedProject,
) -> None:
    """v2 was trained before v3 served: it has learned from nothing that v3 asked for."""
    label(worked, 30)
    train(worked)
    worked.settle()
    label(worked, 10)
    train(worked)
    with worked.runtime.sessions.begin() as session:
        row = session.get_one(ModelRow, (worked.project_id, "v2"))
        row.state, row.promoted_at = KEPT, None
        first = session.get_one(ModelRow, (worked.project_id, "v1"))
        first.state, first.retired_at = CHAMPION, None
    label(worked, 10)
    train(worked)
    worked.settle()
    assert [(loop.version, loop.closed_by) for loop in loops_of(worked)] == [("v1", "v3")]
    promote(worked.runtime, worked.project, "v2", "it was right")
    worked.settle()
    assert [(loop.version, loop.closed_by) for loop in loops_of(worked)] == [("v1", "v3")]
