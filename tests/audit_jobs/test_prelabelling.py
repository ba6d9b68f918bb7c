"""Labels for all tasks at once: to the end, from wherever it was cut off, blind ones left out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit_jobs.prelabelling.command import said_of
from audit_jobs.prelabelling.run import PrelabellingError, ask, carry_out, counts
from audit_jobs.running import run_job
from backend import routing
from backend.store.leases import free_lease, take_lease
from connectors.annotation_tool import AnnotationToolRefusedError, AnnotationToolUnavailableError
from policies.domain import Purpose
from tests.fakes.worked_project import (
    WorkedProject,
    looks_as_wished,
    worked_policy,
    worked_project,
)

DOWN = AnnotationToolUnavailableError("Label Studio is down")


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    """Sixty tasks, of which a day's queue holds two, and a model that is certified for none."""
    made = worked_project(tmp_path, worked_policy(capacity=2))
    made.add(["fruit", "motor"] * 30)
    made.promote(certified=False)
    return made


def labelled(worked: WorkedProject) -> list[int]:
    return [task.id for task in worked.tasks if ("v1", True) in worked.shown(task.id)]


def waited(worked: WorkedProject) -> list[float]:
    """Carry it out with a clock that a pause moves on; the pauses."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        worked.clock.forward(700)

    carry_out(worked.runtime, worked.project, pause)
    return pauses


def test_every_task_shows_its_label_but_those_that_stay_blind(worked: WorkedProject) -> None:
    worked.settle()
    assert len(labelled(worked)) <= 2
    assert ask(worked.runtime, worked.project, None) == 60
    assert waited(worked) == []
    found = counts(worked.runtime, worked.project)
    blind = worked.with_purpose(Purpose.CONTROL) + worked.with_purpose(Purpose.HOLDOUT)
    assert (found.shown, found.blind, found.waiting) == (60 - len(blind), len(blind), 0)
    assert blind
    assert sorted(labelled(worked)) == sorted({task.id for task in worked.tasks} - set(blind))
    assert looks_as_wished(worked) == []
    assert said_of(found).startswith(f"{60 - len(blind)} of 60 tasks show their label; ")


def test_a_second_run_writes_nothing(worked: WorkedProject) -> None:
    ask(worked.runtime, worked.project, None)
    waited(worked)
    before = {task.id: worked.shown(task.id) for task in worked.tasks}
    worked.tool.calls.clear()
    ask(worked.runtime, worked.project, None)
    waited(worked)
    assert not {"import_predictions", "clear_predictions"} & set(worked.tool.calls)
    assert {task.id: worked.shown(task.id) for task in worked.tasks} == before


@pytest.mark.parametrize("afterwards", [False, True])
def test_what_was_cut_off_goes_on_and_doubles_nothing(
    worked: WorkedProject, *, afterwards: bool
) -> None:
    ask(worked.runtime, worked.project, None)
    for _ in range(3):
        worked.tool.fail_next("import_predictions", DOWN, afterwards=afterwards)
    assert waited(worked)  # it had to wait, and went on
    assert counts(worked.runtime, worked.project).waiting == 0
    assert looks_as_wished(worked) == []
    for task_id in labelled(worked):
        assert worked.shown(task_id).count(("v1", True)) == 1


def test_only_the_tasks_of_a_view(worked: WorkedProject) -> None:
    worked.settle()
    worked.tool.put_view(worked.project_id, "mine", "labelgate: general")
    held = {
        task.id
        for task in worked.tool.tasks_in_view(
            worked.project_id, worked.tool.view_id(worked.project_id, "mine")
        )
    }
    assert 0 < len(held) <= 2
    assert ask(worked.runtime, worked.project, "mine") == len(held)
    waited(worked)
    assert set(labelled(worked)) == held
    with pytest.raises(AnnotationToolRefusedError, match="no view 'other'"):
        ask(worked.runtime, worked.project, "other")


def test_new_tasks_and_peoples_answers_are_counted_for_what_they_are(worked: WorkedProject) -> None:
    worked.add(["fruit"] * 3)  # not synchronised yet
    assert ask(worked.runtime, worked.project, None) == 63
    worked.server.submit(worked.people["ann"], worked.tasks[0].id, "A")
    waited(worked)
    found = counts(worked.runtime, worked.project)
    assert (found.answered, found.waiting, found.asked) == (1, 0, 63)


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    with pytest.raises(PrelabellingError, match="`labelgate train --project 1` trains one"):
        ask(worked.runtime, worked.project, None)


def test_it_gives_up_where_nothing_gets_on(worked: WorkedProject) -> None:
    ask(worked.runtime, worked.project, None)
    for _ in range(100):
        worked.tool.fail_next("import_predictions", DOWN)
    with pytest.raises(PrelabellingError, match="Label Studio is down; run the same command"):
        waited(worked)


def test_it_waits_for_another_process_that_does_the_work(worked: WorkedProject) -> None:
    ask(worked.runtime, worked.project, None)
    name = f"job/deliver/{worked.project_id}"
    with worked.runtime.sessions.begin() as session:
        assert take_lease(session, name, "another", datetime.now(UTC), 60)
    turns: list[float] = []

    def pause(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 40:  # longer than it goes on where steps fail
            with worked.runtime.sessions.begin() as session:
                free_lease(session, name, "another")

    assert carry_out(worked.runtime, worked.project, pause).waiting == 0
    assert len(turns) == 40


def test_a_slow_model_is_left_after_its_time(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(worked.runtime, "sync", worked.project)
    monkeypatch.setattr(routing, "LONGEST_S", -1.0)
    monkeypatch.setattr("backend.champion.CHUNK", 25)
    found = [run_job(worked.runtime, "route", worked.project) for _ in range(3)]
    assert [(each["decided"], each["left"]) for each in found] == [(25, 35), (25, 10), (10, 0)]
