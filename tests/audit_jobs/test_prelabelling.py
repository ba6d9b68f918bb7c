"""Labels for all tasks at once: to the end, from wherever it was cut off, blind ones left out."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit_jobs.prelabelling import command, run
from audit_jobs.prelabelling.command import said_of
from audit_jobs.prelabelling.progress import Lines, watched
from audit_jobs.prelabelling.run import PrelabellingError, carry_out, counts
from audit_jobs.running import run_job
from backend import routing
from backend.store.leases import free_lease, take_lease
from backend.store.ledger_check import verify_ledger
from backend.store.prelabels import PrelabelCounts, why_unanswered
from connectors.annotation_tool import (
    AnnotationToolRefusedError,
    AnnotationToolUnavailableError,
    Prelabel,
)
from connectors.label_studio.preference_configs import pairwise_config
from policies.domain import Purpose
from tests.fakes.model_servers import Backend, ModelServerOnLoopback, Reply, Request, backend
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


def ask(worked: WorkedProject, view: str | None = None) -> int:
    def nobody_is_waited_for(seconds: float) -> None:
        raise AssertionError(f"paused {seconds} s")

    return run.ask(worked.runtime, worked.project, view, nobody_is_waited_for)


def found(worked: WorkedProject) -> PrelabelCounts:
    return counts(worked.runtime, worked.project)


def labelled(worked: WorkedProject) -> list[int]:
    return [task.id for task in worked.tasks if ("v1", True) in worked.shown(task.id)]


def waited(worked: WorkedProject) -> list[float]:
    """Carry it out with a clock that a pause moves on; the pauses."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        worked.clock.forward(seconds)

    carry_out(worked.runtime, worked.project, pause)
    return pauses


def test_every_task_shows_its_label_but_those_that_stay_blind(worked: WorkedProject) -> None:
    worked.settle()
    assert len(labelled(worked)) <= 2
    assert ask(worked) == 60
    assert waited(worked) == []
    ended = found(worked)
    blind = worked.with_purpose(Purpose.CONTROL) + worked.with_purpose(Purpose.HOLDOUT)
    assert (ended.shown, ended.blind, ended.waiting) == (60 - len(blind), len(blind), 0)
    assert blind
    assert sorted(labelled(worked)) == sorted({task.id for task in worked.tasks} - set(blind))
    assert looks_as_wished(worked) == []
    assert said_of(ended, None) == (
        f"{60 - len(blind)} of 60 tasks asked for so far show their label; {len(blind)} stay "
        "blind, as the policy says"
    )


def test_a_second_run_writes_nothing(worked: WorkedProject) -> None:
    ask(worked)
    waited(worked)
    before = {task.id: worked.shown(task.id) for task in worked.tasks}
    worked.tool.calls.clear()
    ask(worked)
    waited(worked)
    assert not {"import_predictions", "clear_predictions"} & set(worked.tool.calls)
    assert {task.id: worked.shown(task.id) for task in worked.tasks} == before


@pytest.mark.parametrize("afterwards", [False, True])
def test_what_was_cut_off_goes_on_and_doubles_nothing(
    worked: WorkedProject, *, afterwards: bool
) -> None:
    ask(worked)
    for _ in range(3):
        worked.tool.fail_next("import_predictions", DOWN, afterwards=afterwards)
    assert waited(worked)  # it had to wait, and went on
    assert found(worked).waiting == 0
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
    assert ask(worked, "mine") == len(held)
    waited(worked)
    assert set(labelled(worked)) == held
    view_id = worked.tool.view_id(worked.project_id, "mine")
    assert ask(worked, str(view_id)) == len(held)  # by its number, as a tab's address names it
    with pytest.raises(AnnotationToolRefusedError, match="no view 'other'"):
        ask(worked, "other")


def test_new_tasks_and_peoples_answers_are_counted_for_what_they_are(worked: WorkedProject) -> None:
    worked.add(["fruit"] * 3)  # not synchronised yet
    assert ask(worked) == 63
    worked.server.submit(worked.people["ann"], worked.tasks[0].id, "A")
    waited(worked)
    ended = found(worked)
    assert (ended.answered, ended.waiting, ended.asked) == (1, 0, 63)


def test_without_a_model_it_says_what_to_do(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    with pytest.raises(PrelabellingError, match="`labelgate train --project 1` trains one"):
        ask(worked)


def test_where_people_may_see_no_preference_of_a_model_it_says_so_at_once(
    tmp_path: Path,
) -> None:
    worked = worked_project(tmp_path)
    seen = worked.server.projects[worked.project_id]
    worked.server.projects[worked.project_id] = replace(
        seen, label_config=pairwise_config(ties=False)
    )
    people = {"domain": ["ann@example.com", "bob@example.com"], "senior": ["sue@example.com"]}
    tiers = [
        {"name": name, "reviewers": who, "cost_per_label": 1.0, "daily_capacity": 9}
        for name, who in people.items()
    ]
    overlap = {"share": 0.5}
    worked.connect(
        worked_policy(auto_accept="never", tiers=tiers, agreement=overlap, preferences={})
    )
    with pytest.raises(PrelabellingError, match="prerank is false"):
        ask(worked)
    assert found(worked).asked == 0


def test_it_gives_up_where_nothing_gets_on(worked: WorkedProject) -> None:
    ask(worked)
    for _ in range(100):
        worked.tool.fail_next("import_predictions", DOWN)
    with pytest.raises(PrelabellingError, match=r"deliver: Label Studio is down; run the same"):
        waited(worked)


def test_it_outlasts_a_restart_of_label_studio_and_goes_on_at_once(worked: WorkedProject) -> None:
    ask(worked)
    for _ in range(12):  # four minutes: by themselves, deliveries would wait for six more
        worked.tool.fail_next("import_predictions", DOWN)
    pauses = waited(worked)
    assert pauses == [2.0, 2.0, 4.0, 8.0, 16.0, *[30.0] * 7]  # the first pass settled the blind
    assert looks_as_wished(worked) == []


def test_tasks_that_are_gone_unnoticed_do_not_hold_it_up(worked: WorkedProject) -> None:
    worked.settle()
    ask(worked)
    gone = [task.id for task in worked.tasks if task.id not in labelled(worked)][:3]
    for task_id in gone:
        worked.server.delete_task(task_id)
    waited(worked)
    ended = found(worked)
    assert ended.waiting == 0
    assert ended.asked == 57


def test_what_was_decided_before_the_version_served_is_labelled_too(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(capacity=2))
    worked.add(["fruit", "motor"] * 20)
    worked.settle()  # there is no model: everything goes to people
    worked.promote(certified=False)
    assert ask(worked) == 40
    assert found(worked).waiting > 30
    waited(worked)
    assert len(labelled(worked)) == found(worked).shown > 30
    worked.promote(certified=False)
    assert found(worked).waiting > 30  # they show the label of the version before
    waited(worked)
    assert {v for task in worked.tasks for v, says in worked.shown(task.id) if says} == {"v2"}
    assert looks_as_wished(worked) == []


def test_it_waits_for_another_process_that_does_the_work(worked: WorkedProject) -> None:
    ask(worked)
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


def test_a_slow_model_is_left_after_its_time_and_the_asked_come_first(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = [task.id for task in worked.tasks][-16:]
    marked = [Prelabel(task_id=each, result=[], score=None, model_version="x") for each in last]
    worked.tool.import_predictions(worked.project_id, marked)
    worked.tool.put_view(worked.project_id, "mine", "x")
    assert ask(worked, "mine") == 16
    monkeypatch.setattr(routing, "LONGEST_S", -1.0)
    monkeypatch.setattr("backend.champion.MOST", 16)
    done = [run_job(worked.runtime, "route", worked.project)]
    assert sorted(worked.decisions()) == last
    done += [run_job(worked.runtime, "route", worked.project) for _ in range(3)]
    assert [(each["decided"], each["left"]) for each in done] == [
        (16, 44),
        (16, 28),
        (16, 12),
        (12, 0),
    ]


@pytest.fixture
def made() -> Backend:
    return Backend()


@pytest.fixture
def server(made: Backend) -> Iterator[ModelServerOnLoopback]:
    with backend(made) as running:
        yield running


def foreign_project(folder: Path, server: ModelServerOnLoopback) -> WorkedProject:
    model = {"kind": "upstream", "url": server.url, "batch": 1000}
    worked = worked_project(folder, worked_policy(capacity=2, model=model))
    worked.add(["fruit", "motor"] * 60)
    return worked


def test_a_foreign_model_is_taken_up_and_asked_in_portions_as_it_is_fast(
    tmp_path: Path, server: ModelServerOnLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = foreign_project(tmp_path, server)
    assert ask(worked) == 120  # no round has looked at the model before
    clock = [0.0]

    def slow(request: Request) -> Reply:
        clock[0] += 0.4 * len(request.body["tasks"])
        return Backend().answers()["/predict"](request)

    server.answers["/predict"] = slow
    monkeypatch.setattr("backend.champion.time.monotonic", lambda: clock[0])
    waited(worked)
    sizes = [len(each.body["tasks"]) for each in server.asked("/predict")]
    assert sizes == [16, 25, 25, 25, 25, 4]  # ten seconds each, after the first
    assert found(worked).shown > 90
    assert looks_as_wished(worked) == []


def test_tasks_without_an_answer_are_asked_about_again_by_the_next_run(
    tmp_path: Path, server: ModelServerOnLoopback
) -> None:
    worked = foreign_project(tmp_path, server)
    answering = server.answers["/predict"]
    server.answers["/predict"] = lambda _: Reply(b"out of memory", 500, "text/plain")
    ask(worked)
    waited(worked)
    ended = found(worked)
    assert (ended.shown, ended.waiting) == (0, 0)
    assert ended.unanswered > 90
    with worked.runtime.reads() as session:
        why = why_unanswered(session, worked.project_id)
    assert why == f"the model server {server.url} answered 500: out of memory"
    assert f"(most often: {why}); the same command asks about them again" in said_of(ended, why)

    run_job(worked.runtime, "route", worked.project)  # nothing but a run asks again
    assert found(worked).unanswered == ended.unanswered
    server.answers["/predict"] = answering
    ask(worked)
    waited(worked)
    assert found(worked).unanswered == 0
    assert found(worked).shown == ended.unanswered
    with worked.runtime.reads() as session:
        assert verify_ledger(session, worked.project_id).broken_seq is None


def test_a_foreign_model_that_cannot_be_asked_is_said_before_anything_is_begun(
    tmp_path: Path, server: ModelServerOnLoopback
) -> None:
    worked = foreign_project(tmp_path, server)
    server.answers["/setup"] = lambda _: Reply(b"no licence", 403, "text/plain")
    with pytest.raises(PrelabellingError, match=r"answered 403: no licence; run the same command"):
        ask(worked)
    assert found(worked).asked == 0


def test_lines_tell_rate_and_time_left() -> None:
    lines = Lines(before=PrelabelCounts(shown=1_000, waiting=99_000), began=100.0)
    assert lines.line(lines.before, 130.0) == "pre-labelling: 1,000 of 100,000 tasks"
    now = PrelabelCounts(shown=10_000, blind=2_000, waiting=88_000)
    assert lines.line(now, 130.0) == (
        "pre-labelling: 12,000 of 100,000 tasks, 366.7 tasks/s, 4 min 00 s left"
    )


def test_nothing_to_label(tmp_path: Path) -> None:
    worked = worked_project(tmp_path)
    worked.promote()
    assert ask(worked) == 0
    assert said_of(carry_out(worked.runtime, worked.project, time.sleep), None) == (
        "there is no task to label"
    )


def run_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("LABELGATE_DATA_DIR", str(folder))
    return CliRunner().invoke(command.prelabel, ["--project", "worked"])


def test_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_project(tmp_path)
    told = run_command(tmp_path, monkeypatch)
    assert told.exit_code == 1
    assert told.stderr.startswith("Error: no model serves project 1 yet: `labelgate train")


def test_stopped_by_hand_it_says_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask_for(*_: object) -> int:
        raise KeyboardInterrupt

    worked_project(tmp_path)
    monkeypatch.setattr(command, "ask", ask_for)
    told = run_command(tmp_path, monkeypatch)
    assert told.exit_code == 130
    assert told.stderr.strip() == "stopped; the same command goes on where it was"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_looks_on_sees_a_bar_with_the_last_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    seen = [PrelabelCounts(waiting=5_000), PrelabelCounts(shown=4_000, waiting=1_000)]
    with watched(lambda: seen[-1] if seen[0].done else seen[0]):
        seen[0] = seen[1]
    assert "pre-labelling" in terminal.getvalue()
    assert "4000/5000" in terminal.getvalue()
