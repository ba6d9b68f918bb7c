"""The strategies job: retrains without each strategy's labels, once a cycle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit_jobs import strategies
from backend import training
from backend.store.reports import STRATEGIES, reports
from backend.store.tables import DeliveryRow
from backend.store.training import request_training
from policies.domain import Purpose
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Two hundred tasks, and a day's queue of which every second label was asked for as unsure."""
    policy = worked_policy(
        control={"share": 0.3},
        holdout={"share": 0.1},
        retrain={"after_annotations": 1000, "minimum_labels": 10},
    )
    made = worked_project(tmp_path, policy)
    made.add(["fruit", "motor"] * 100)
    made.settle()
    return made


def label(worked: WorkedProject, ids: list[int]) -> None:
    for task_id in ids:
        said = "A" if "apples" in worked.server.tasks[task_id].data["text"] else "B"
        worked.server.submit(worked.people["ann"], task_id, said)
    worked.settle()


def train(worked: WorkedProject) -> None:
    with worked.runtime.sessions.begin() as session:
        request_training(session, worked.project_id, "asked", 0, worked.clock())
    assert "version" in training.train(worked.runtime, worked.project)


def stored(worked: WorkedProject) -> list[dict[str, Any]]:
    with worked.runtime.reads() as session:
        return [each.body for each in reports(session, worked.project_id, STRATEGIES)]


def say_who_asked(worked: WorkedProject, ids: list[int]) -> None:
    with worked.runtime.sessions.begin() as session:
        for place, task_id in enumerate(ids):
            row = session.get_one(DeliveryRow, (worked.project_id, task_id))
            row.strategy = "uncertainty" if place % 2 else "stratified"


def test_each_cycle_is_measured_once(worked: WorkedProject) -> None:
    label(worked, worked.with_purpose(Purpose.CONTROL))
    routed = worked.with_purpose(Purpose.ROUTED)
    label(worked, routed[:30])
    train(worked)
    assert strategies.run(worked.runtime, worked.project)["state"] == "nothing new"
    say_who_asked(worked, routed[30:70])
    label(worked, routed[30:70])
    train(worked)

    found = strategies.run(worked.runtime, worked.project)

    assert set(found["gains"]) == {"uncertainty", "stratified"}
    for gain in found["gains"].values():
        assert gain["labels"] == 20
        assert gain["verdict"] == "not distinguishable"  # thirty labels taught it all already
    assert found["says"].startswith("not distinguishable")
    [body] = stored(worked)
    [cycle] = body["cycles"]
    assert (cycle["version"], cycle["seeds"]) == ("v2", strategies.SEEDS)
    assert len(cycle["tests"]) >= 30
    assert strategies.run(worked.runtime, worked.project) == {"state": "nothing new", "cycles": 1}
    assert stored(worked) == [body]


def test_labels_that_teach_something_new_are_worth_something(worked: WorkedProject) -> None:
    """Nobody has labelled a text on music before, and unsure is what the model was of those."""
    worked.add(["music"] * 80)
    worked.settle()
    label(worked, worked.with_purpose(Purpose.CONTROL))
    routed = worked.with_purpose(Purpose.ROUTED)
    fruit, motor, music = (
        [e for e in routed if word in worked.server.tasks[e].data["text"]]
        for word in ("apples", "engines", "violins")
    )
    label(worked, [*fruit[:20], *motor[:5]])
    train(worked)
    with worked.runtime.sessions.begin() as session:
        for ids, name in ((music[:10], "uncertainty"), (fruit[20:30], "stratified")):
            for task_id in ids:
                session.get_one(DeliveryRow, (worked.project_id, task_id)).strategy = name
    label(worked, [*music[:10], *fruit[20:30]])
    train(worked)

    found = strategies.run(worked.runtime, worked.project)["gains"]

    assert found["uncertainty"]["verdict"] == "helps"
    assert found["uncertainty"]["per_label"]["low"] > 0
    assert found["stratified"]["verdict"] == "not distinguishable"


def test_without_control_answers_nothing_is_measured(worked: WorkedProject) -> None:
    routed = worked.with_purpose(Purpose.ROUTED)
    label(worked, routed[:30])
    train(worked)
    label(worked, routed[30:60])
    train(worked)
    assert strategies.run(worked.runtime, worked.project)["state"] == "nothing new"
    assert stored(worked) == []
