"""Freezing: what was proved goes out for good, and nothing decides it again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backend.freezing import FRESH, FreezeReport, freeze_accepts, freeze_aged
from backend.queueing import place
from backend.routing import route
from backend.store.errors import FreezeTakenError
from backend.store.freezes import EXPORT, Freeze, freezes, store_freeze
from backend.store.tables import TaskRow
from backend.synchronisation import reconcile, synchronise
from policies.domain import Purpose
from policies.freezing import freeze_budget
from tests.fakes.accepting_project import ACCEPT, accepting_project, accepts, answer, truth
from tests.fakes.label_studio_server import ROBOT_ID
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return accepting_project(tmp_path)


def freeze(worked: WorkedProject) -> FreezeReport:
    return freeze_accepts(worked.runtime, worked.project, why=EXPORT, until=worked.clock())


def known(worked: WorkedProject) -> list[Freeze]:
    with worked.runtime.reads() as session:
        return freezes(session, worked.project_id)


def frozen(worked: WorkedProject) -> dict[int, int]:
    """Task id -> number of the ledger's entry that was frozen."""
    with worked.runtime.reads() as session:
        rows = session.query(TaskRow).filter(TaskRow.freeze_id.is_not(None))
        return {row.task_id: row.decision_seq or 0 for row in rows}


def test_the_accepts_that_stand_are_frozen(worked: WorkedProject) -> None:
    before = accepts(worked)
    report = freeze(worked)
    assert (report.number, report.tasks, report.provisional) == (1, len(before), 0)
    assert set(frozen(worked)) == before
    assert not accepts(worked)  # no longer open
    (made,) = known(worked)
    assert (made.tasks, made.why, made.model_version) == (len(before), EXPORT, "v1")
    (certificate,) = made.evidence[FRESH]
    assert certificate.confidence == 1 - freeze_budget(0.8, 1)


def test_nothing_decides_a_frozen_task_again(worked: WorkedProject) -> None:
    freeze(worked)
    before = frozen(worked)
    worked.promote("motor", "fruit", certified=False)  # says B for fruit
    worked.connect(worked_policy(9_999, auto_accept="never", control={"share": 0.3}))
    worked.settle()
    assert frozen(worked) == before
    for task_id in before:
        assert worked.said(task_id, ROBOT_ID) == [truth(worked, task_id)]


def test_freezing_twice_takes_nothing_twice_and_spends_nothing(worked: WorkedProject) -> None:
    freeze(worked)
    again = freeze(worked)
    assert (again.number, again.tasks) == (None, 0)
    assert len(known(worked)) == 1


def test_a_persons_later_answer_wins(worked: WorkedProject) -> None:
    freeze(worked)
    task_id = min(frozen(worked))
    worked.server.submit(worked.people["ann"], task_id, "B")
    worked.settle()
    assert worked.said(task_id, worked.people["ann"]) == ["B"]
    assert worked.said(task_id, ROBOT_ID) == []
    assert task_id in frozen(worked)  # it left with the freeze all the same


def test_a_deleted_annotation_of_a_frozen_task_comes_back(worked: WorkedProject) -> None:
    freeze(worked)
    task_id = min(frozen(worked))
    synchronise(worked.runtime, worked.project)  # it is known, and so is missed
    worked.server.delete_annotation(worked.server.tasks[task_id].annotations[0].id)
    reconcile(worked.runtime, worked.project)
    worked.settle()
    assert worked.said(task_id, ROBOT_ID) == [truth(worked, task_id)]


def test_what_is_under_way_is_not_frozen(worked: WorkedProject) -> None:
    worked.add(["fruit"] * 30)
    for step in (synchronise, route, place):
        step(worked.runtime, worked.project)
    delivered = {t for t, row in worked.deliveries().items() if row.state == "delivered"}
    under_way = accepts(worked) - delivered
    assert under_way
    freeze(worked)
    assert not under_way & set(frozen(worked))
    worked.settle()
    assert freeze(worked).tasks == len(under_way)  # still fresh, so all of control speaks for them


def test_new_tasks_are_frozen_on_all_control_answers(worked: WorkedProject) -> None:
    first = freeze(worked)
    worked.add(["fruit", "motor"] * 10)
    worked.settle()
    new = accepts(worked)
    second = freeze(worked)
    assert (first.number, second.number) == (1, 2)
    assert second.tasks == len(new) > 0
    last = known(worked)[-1]
    assert set(last.evidence) == {FRESH}
    assert last.evidence[FRESH][0].control_answers == last.answers


def test_a_group_that_proves_nothing_freezes_nothing(worked: WorkedProject) -> None:
    # The version's one look was good; since then the answers to new control tasks are all wrong.
    worked.add(["fruit", "motor"] * 60)
    worked.settle()
    answer(worked, worked.with_purpose(Purpose.CONTROL), wrong=True)
    worked.settle()
    standing = accepts(worked)
    report = freeze(worked)
    assert (report.number, report.tasks, report.provisional) == (1, 0, len(standing))
    assert "no threshold could be certified" in report.said[0]
    assert accepts(worked) == standing
    assert freeze(worked).number is None  # the same answers are not asked twice


def test_too_few_control_answers_are_no_look(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(auto_accept=ACCEPT, control={"share": 0.3}))
    worked.promote(certified=True)
    worked.add(["fruit"] * 40)
    worked.settle()
    report = freeze(worked)
    assert (report.number, report.tasks, report.provisional) == (None, 0, len(accepts(worked)))
    assert report.provisional > 0
    assert not known(worked)


def test_what_a_freeze_left_is_proved_on_what_it_would_have_left_of_control(
    worked: WorkedProject,
) -> None:
    freeze(worked)
    gone = set(known(worked)[0].left_control)
    assert gone  # control tasks like those that were frozen
    # Tasks that were not frozen: a freeze is taken back for them.
    taken_back = sorted(frozen(worked))[:10]
    with worked.runtime.sessions.begin() as session:
        session.query(TaskRow).filter(TaskRow.task_id.in_(taken_back)).update({"freeze_id": None})
    worked.promote("fruit", "motor", certified=False)
    worked.settle()
    assert set(taken_back) <= accepts(worked)
    report = freeze(worked)
    # All of the sure control tasks are gone: nothing is left that speaks for these.
    assert (report.number, report.provisional) == (None, 10)


def test_a_new_look_needs_more_answers_and_gets_a_smaller_budget(worked: WorkedProject) -> None:
    freeze(worked)
    worked.add(["fruit"] * 20)
    worked.settle()
    freeze(worked)
    confidences = [each.evidence[FRESH][0].confidence for each in known(worked)]
    assert confidences == [1 - freeze_budget(0.8, 1), 1 - freeze_budget(0.8, 2)]


def test_two_freezers_cannot_use_the_same_number(worked: WorkedProject) -> None:
    freeze(worked)
    (made,) = known(worked)
    with (
        pytest.raises(FreezeTakenError, match="freeze 1 of project"),
        worked.runtime.sessions.begin() as session,
    ):
        store_freeze(session, worked.project_id, made, {}, [])
    assert len(known(worked)) == 1


def test_what_changed_since_it_was_read_is_left_out(worked: WorkedProject) -> None:
    freeze(worked)
    (made,) = known(worked)
    with worked.runtime.sessions.begin() as session:
        session.query(TaskRow).update({"freeze_id": None})
    open_now = worked.decisions()
    labelled, moved, same = sorted(accepts(worked))[:3]
    worked.server.submit(worked.people["ann"], labelled, "B")
    worked.settle()
    second = Freeze(**{name: getattr(made, name) for name in Freeze.__slots__} | {"number": 2})
    taken = {
        labelled: open_now[labelled].seq,
        moved: open_now[moved].seq - 1,
        same: open_now[same].seq,
    }
    with worked.runtime.sessions.begin() as session:
        stored = store_freeze(session, worked.project_id, second, taken, [])
    assert stored.tasks == 1
    assert set(frozen(worked)) == {same}


def test_the_nightly_freeze_waits_for_the_policys_days(tmp_path: Path) -> None:
    worked = accepting_project(tmp_path, freeze_after_days=3)
    standing = accepts(worked)
    worked.clock.forward(timedelta(days=2).total_seconds())
    assert freeze_aged(worked.runtime, worked.project)["tasks"] == 0
    worked.add(["fruit"] * 20)
    worked.settle()
    worked.clock.forward(timedelta(days=1, hours=1).total_seconds())
    assert freeze_aged(worked.runtime, worked.project)["tasks"] == len(standing)
    assert set(frozen(worked)) == standing
    worked.clock.forward(timedelta(days=3).total_seconds())
    assert freeze_aged(worked.runtime, worked.project)["tasks"] > 0  # the later ones


def test_without_days_the_nightly_freeze_does_nothing(worked: WorkedProject) -> None:
    worked.clock.forward(timedelta(days=300).total_seconds())
    assert freeze_aged(worked.runtime, worked.project) == {"number": None, "tasks": 0}
    assert not known(worked)


def test_a_policy_that_never_accepts_freezes_nothing(tmp_path: Path) -> None:
    worked = worked_project(tmp_path, worked_policy(auto_accept="never"))
    assert freeze(worked).said == ("the policy accepts nothing",)
    worked.connect(worked_policy(auto_accept=ACCEPT))
    assert freeze(worked).said == ("no model serves yet",)
    worked.promote(certified=False)
    assert freeze(worked).said == ("no threshold of v1 is certified under this policy",)
