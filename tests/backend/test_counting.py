"""Counts of large tables: kept when something moved, as they were counted by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backend import counting
from backend.counting import shown_counts
from backend.store.counts import ProjectCounts, all_counts, counts_of
from backend.store.ledger import newest_seq
from backend.store.tallies import count_first_answers, is_small, seq_before, tallies
from backend.synchronisation import reconcile, synchronise
from policies.domain import Purpose
from policies.stages import Stage
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

NOTHING_NEW = {"state": "nothing new"}
PRICES = {"tooling_per_label": 0.02, "compute_per_prediction": 0.001, "compute_per_training": 2}


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    policy = worked_policy(audit={"share": 0.3}, prices=PRICES)
    made = worked_project(tmp_path, policy)
    made.add(["fruit", "motor", "music"] * 20)
    return made


def counts(worked: WorkedProject) -> ProjectCounts:
    with worked.runtime.reads() as session:
        found = counts_of(session, worked.project_id)
    assert found is not None
    return found


def count(worked: WorkedProject) -> dict[str, object]:
    return counting.run(worked.runtime, worked.project)


def answer_one(worked: WorkedProject, purpose: Purpose, person: str) -> int:
    task_id = worked.with_purpose(purpose)[0]
    worked.server.submit(worked.people[person], task_id, "A")
    worked.settle()
    return task_id


def test_before_the_first_run_a_page_counts_by_itself_and_asks_nobody(
    worked: WorkedProject,
) -> None:
    worked.settle()
    calls = list(worked.tool.calls)
    with worked.runtime.reads() as session:
        assert counts_of(session, worked.project_id) is None
        shown = shown_counts(session, worked.project, worked.clock())
    assert worked.tool.calls == calls
    assert shown is not None
    assert shown.tasks == 60
    assert shown.stage is Stage.NO_MODEL
    assert (shown.labels_this_week, shown.today, shown.saved) == (None, None, None)


def test_a_page_counts_nothing_large_by_itself(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked.settle()
    monkeypatch.setattr(counting, "_COUNTED_AT_ONCE", 59)
    with worked.runtime.reads() as session:
        assert shown_counts(session, worked.project, worked.clock()) is None
    count(worked)
    with worked.runtime.reads() as session:
        assert shown_counts(session, worked.project, worked.clock()) == counts(worked)


def test_small_is_what_has_few_tasks_and_a_short_ledger(worked: WorkedProject) -> None:
    synchronise(worked.runtime, worked.project)
    with worked.runtime.reads() as session:  # 60 tasks that nothing was decided on yet
        assert newest_seq(session, worked.project_id) == 0
        assert [is_small(session, worked.project_id, most) for most in (59, 60)] == [False, True]
    worked.settle()
    worked.promote()
    worked.settle()
    with worked.runtime.reads() as session:  # and as many that were decided on twice
        entries = newest_seq(session, worked.project_id)
        assert entries > 60
        assert [is_small(session, worked.project_id, most) for most in (entries - 1, entries)] == [
            False,
            True,
        ]


def test_it_keeps_what_the_tables_say(worked: WorkedProject) -> None:
    worked.promote()
    worked.settle()
    answer_one(worked, Purpose.ROUTED, "ann")
    assert count(worked)["state"] == "counted"
    found = counts(worked)
    with worked.runtime.reads() as session:
        now = tallies(session, worked.project)
        assert all_counts(session, [worked.project_id]) == {worked.project_id: found}
        assert shown_counts(session, worked.project, worked.clock()) == found
    for name in ("tasks", "human_labels", "labelled_tasks", "accepted", "waiting"):
        assert getattr(found, name) == getattr(now, name)
    assert (found.decisions, found.deliveries, found.queues) == (
        now.decisions,
        now.deliveries,
        now.queues,
    )
    assert found.stage is Stage.ACCEPTING


def test_nothing_is_counted_while_nothing_moves(worked: WorkedProject) -> None:
    worked.promote()
    worked.settle()
    count(worked)
    before = counts(worked)
    worked.clock.forward(60)
    assert count(worked) == NOTHING_NEW
    assert counts(worked) == before


@pytest.mark.parametrize("what", ["answer", "task", "model", "policy", "taken back"])
def test_whatever_moves_is_counted(worked: WorkedProject, what: str) -> None:
    worked.promote()
    worked.settle()
    answered = answer_one(worked, Purpose.ROUTED, "ann")
    count(worked)
    before = counts(worked)
    match what:
        case "answer":
            answer_one(worked, Purpose.ROUTED, "bob")
        case "task":
            worked.add(["fruit"])
        case "model":
            worked.promote("fruit", "music", certified=False)
        case "policy":
            worked.connect(worked_policy(auto_accept="never"))
        case "taken back":
            (annotation,) = worked.server.tasks[answered].annotations
            worked.server.delete_annotation(annotation.id)
            reconcile(worked.runtime, worked.project)
    worked.settle()
    assert count(worked)["state"] == "counted"
    assert counts(worked) != before


def test_seven_days_and_today_end_by_themselves(worked: WorkedProject) -> None:
    worked.promote()
    worked.settle()
    answer_one(worked, Purpose.ROUTED, "ann")
    answer_one(worked, Purpose.ROUTED, "sue")
    count(worked)
    found = counts(worked)
    assert found.labels_this_week == {"general": 1, "senior": 1}
    assert found.today is not None
    assert (found.today["general"].answered, found.today["senior"].answered) == (1, 1)
    assert found.accepted_this_week == found.accepted > 0
    worked.clock.forward(8 * 86_400)
    assert count(worked)["state"] == "counted"
    later = counts(worked)
    assert later.labels_this_week == {"general": 0, "senior": 0}
    assert later.today is not None
    assert later.today["general"].answered == 0
    assert (later.accepted, later.accepted_this_week) == (found.accepted, 0)


def test_what_is_saved_is_what_was_spared_less_what_proving_and_models_cost(
    worked: WorkedProject,
) -> None:
    worked.promote()
    worked.settle()
    answer_one(worked, Purpose.AUDIT, "sue")  # proves
    answer_one(worked, Purpose.ROUTED, "ann")  # would have been labelled anyway
    count(worked)
    saved, week = counts(worked).saved, counts(worked).saved_this_week
    assert saved is not None
    assert saved.spared == pytest.approx(counts(worked).accepted * (0.10 + 0.02))
    assert saved.proving == pytest.approx(1.0 + 0.02)
    assert saved.models == pytest.approx(60 * 0.001 + 2)
    assert week == saved  # all of it was within seven days
    worked.clock.forward(8 * 86_400)
    count(worked)
    assert counts(worked).saved == saved
    this_week = counts(worked).saved_this_week
    assert this_week is not None
    assert (this_week.spared, this_week.proving, this_week.models) == (0, 0, 0)


def test_an_import_is_no_saving(worked: WorkedProject) -> None:
    worked.promote(certified=False)
    worked.settle()
    count(worked)
    before = counts(worked).saved
    worked.add(["music"] * 500)
    worked.settle()
    count(worked)
    after = counts(worked).saved
    assert before is not None
    assert after is not None
    assert (after.spared, after.proving) == (before.spared, before.proving) == (0, 0)
    assert after.amount < before.amount  # the model answered them


def test_answers_are_counted_on_as_the_whole_ledger_would_tell_them(
    worked: WorkedProject,
) -> None:
    """Whatever is decided anew, and however often it is counted: each version's answer once."""
    worked.promote()
    worked.settle()
    count(worked)
    worked.certify("v1", 0.9)  # the same answers, decided anew
    worked.settle()
    count(worked)
    worked.clock.forward(5 * 86_400)
    worked.promote("fruit", "music")
    worked.settle()
    count(worked)
    worked.clock.forward(3 * 86_400)
    worked.add(["fruit"] * 5)
    worked.settle()
    count(worked)
    now = worked.clock()
    with worked.runtime.reads() as session:
        week = seq_before(session, worked.project_id, now - timedelta(days=7))
        end = seq_before(session, worked.project_id, now)
        in_all = count_first_answers(session, worked.project_id, 0, end)
        this_week = count_first_answers(session, worked.project_id, week, end)
    assert 0 < week < end
    assert in_all == 60 + 60 + 5
    assert this_week == 60 + 5
    saved, weeks = counts(worked).saved, counts(worked).saved_this_week
    assert saved is not None
    assert weeks is not None
    assert saved.models == pytest.approx(in_all * 0.001 + 2 * 2)
    assert weeks.models == pytest.approx(this_week * 0.001 + 2)
