"""What is due, and when: told by the database alone, so that any scheduler may take over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit_jobs.asked import MOST_TRIES
from audit_jobs.carrying_out import carry_out
from audit_jobs.due import NIGHTLY, DueWork
from audit_jobs.job_names import ROUND as JOBS_OF_A_ROUND
from audit_jobs.running import run_job
from backend.leasing import holding
from backend.orders.order import ROUND, Lane, Order, OrderError
from backend.retraining import lease_name
from backend.store.events import count_open
from backend.store.job_runs import lease_of, recent_runs
from connectors.annotation_tool import AnnotationToolUnavailableError
from tests.fakes.due_work import ask_for_training, hint
from tests.fakes.worked_project import WorkedProject, worked_policy, worked_project

DOWN = AnnotationToolUnavailableError("Label Studio is down")


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    made = worked_project(tmp_path, worked_policy(agreement={"share": 0.5}, audit={"share": 0.4}))
    made.promote()
    made.add(["fruit", "motor", "music"] * 10)
    return made


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def names(orders: list[Order]) -> list[str]:
    return [order.name for order in orders]


def test_rounds_are_due_with_webhooks_and_after_a_while(worked: WorkedProject) -> None:
    clock = Clock()
    due = DueWork(worked.runtime, clock)
    rounds = [f"{ROUND}-{worked.project_id}-0"]
    assert names(due.look()) == rounds
    assert due.look() == []  # nothing came, and no while has passed
    hint(worked)
    (order,) = due.look()
    assert order.name in rounds
    assert names(due.look()) == rounds  # nobody has handled it yet
    assert carry_out(worked.runtime, order)
    with worked.runtime.reads() as session:
        assert count_open(session) == 0
        assert len(recent_runs(session, 100)) == len(JOBS_OF_A_ROUND)
    assert due.look() == []
    clock.seconds += worked.runtime.settings.sync_interval_s
    assert names(due.look()) == rounds
    assert names(DueWork(worked.runtime, clock).look()) == rounds  # a new leader looks at all


def test_a_round_that_fails_leaves_its_webhook_open(worked: WorkedProject) -> None:
    hint(worked)
    due = DueWork(worked.runtime)
    (order,) = due.look()
    worked.tool.fail_next("project", DOWN)
    assert not carry_out(worked.runtime, order)
    assert due.look() == [order]


def test_one_round_of_a_project_goes_on_at_a_time(worked: WorkedProject) -> None:
    (order,) = DueWork(worked.runtime).look()
    with holding(worked.runtime, f"round/{worked.project_id}"):
        assert not carry_out(worked.runtime, order)
    with worked.runtime.reads() as session:
        assert recent_runs(session, 1) == []


def test_a_training_is_due_once_it_has_settled_and_a_round_after_it(worked: WorkedProject) -> None:
    due = DueWork(worked.runtime)
    due.look()
    ask_for_training(worked)
    assert due.look() == []  # others may ask too: it has not settled yet
    worked.clock.forward(3)
    with holding(worked.runtime, lease_name(worked.project_id)):
        assert due.look() == []  # a trainer is at work
    (order,) = due.look()
    assert (order.lane, order.job) == (Lane.SLOW, "retrain")
    assert carry_out(worked.runtime, order)
    assert names(due.look()) == [f"{ROUND}-{worked.project_id}-0"]


def test_every_nightly_job_is_due_once_a_night(worked: WorkedProject) -> None:
    due = DueWork(worked.runtime)
    worked.clock.time = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    run_job(worked.runtime, "sync", worked.project)
    assert due.nightly() == []  # connected after the last hours
    worked.clock.time = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    at_one = due.nightly()
    assert {order.job for order in at_one} == {"strategies", "thresholds", "extra_audits"}
    assert {order.job for order in at_one if order.lane is Lane.SLOW} == {"strategies"}
    worked.clock.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # nobody was there at two or three
    assert {order.job for order in due.nightly()} == set(NIGHTLY)
    worked.tool.fail_next("all_with_annotations", DOWN)
    for order in due.nightly():
        if order.lane is not Lane.SLOW:
            carry_out(worked.runtime, order)
    assert {order.job for order in due.nightly()} == {"strategies"}  # one that failed had its turn
    worked.clock.time += timedelta(days=1)
    assert {order.job for order in due.nightly()} == set(NIGHTLY)


def test_a_nightly_job_that_was_killed_is_due_again_but_not_for_ever(
    worked: WorkedProject,
) -> None:
    due = DueWork(worked.runtime)
    run_job(worked.runtime, "sync", worked.project)
    worked.clock.time += timedelta(days=1)
    for _ in range(MOST_TRIES):
        (order,) = (order for order in due.nightly() if order.job == "reconcile")
        due.took(order)
        worked.tool.fail_next("all_with_annotations", KeyboardInterrupt())  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            carry_out(worked.runtime, order)
    assert "reconcile" not in {order.job for order in due.nightly()}
    assert "reconcile" in {order.job for order in DueWork(worked.runtime).nightly()}


def test_a_nightly_job_waits_while_the_same_one_runs_and_has_its_tries_left(
    worked: WorkedProject,
) -> None:
    """Somebody asked for it just before its hour: that run may not have seen the whole day."""
    due = DueWork(worked.runtime)
    run_job(worked.runtime, "sync", worked.project)
    worked.clock.time += timedelta(days=1)
    with holding(worked.runtime, lease_of("reconcile", worked.project_id)):
        for _ in range(MOST_TRIES):
            for order in due.nightly():
                due.took(order)
                if order.job == "reconcile":
                    carry_out(worked.runtime, order)
    assert "reconcile" in {order.job for order in due.nightly()}


def test_an_order_of_no_work_is_refused_and_one_of_no_project_is_done(
    worked: WorkedProject,
) -> None:
    with pytest.raises(OrderError, match="no work of the name 'system'"):
        carry_out(worked.runtime, Order(lane=Lane.ASKED, job="system", project_id=1))
    assert carry_out(worked.runtime, Order(lane=Lane.ROUNDS, job=ROUND, project_id=4711))
