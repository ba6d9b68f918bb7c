"""Of several schedulers one leads, and another soon after it is gone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from audit_jobs.leading import Leadership
from audit_jobs.order_threads import OrderThreads
from audit_jobs.schedule import Watch, build_scheduler, forget
from backend.orders.order import Order
from backend.orders.queue import QueueUnreachableError
from backend.store.leases import SCHEDULER, held_lease
from tests.fakes.worked_project import WorkedProject, worked_project


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return worked_project(tmp_path)


def test_one_leads_and_the_other_takes_over_when_it_stops(worked: WorkedProject) -> None:
    first, second = Leadership(worked.runtime), Leadership(worked.runtime)
    assert not first.leads  # before it has asked
    first.start()
    second.ask()
    assert (first.leads, second.leads) == (True, False)
    first.stop()
    second.ask()
    assert (first.leads, second.leads) == (False, True)


def test_a_dead_leader_is_followed_when_its_lease_has_run_out(worked: WorkedProject) -> None:
    dead, heir = Leadership(worked.runtime, lease_s=3.2), Leadership(worked.runtime)
    dead.ask()  # and never again, as if it had been killed, or stopped in its tracks
    heir.ask()
    assert not heir.leads
    deadline = time.monotonic() + 10
    while not heir.leads and time.monotonic() < deadline:
        heir.ask()
        assert not (dead.leads and heir.leads)
        time.sleep(0.05)
    assert heir.leads
    dead.ask()
    assert not dead.leads
    with worked.runtime.reads() as session:
        held = held_lease(session, SCHEDULER)
    assert held is not None
    assert held.holder == heir.holder
    assert held.until > datetime.now(UTC)


def test_a_leader_whose_database_is_away_does_not_lead_for_long(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = Leadership(worked.runtime, lease_s=3.2)
    leader.ask()
    assert leader.leads

    def away(*_: object) -> bool:
        raise OperationalError("BEGIN", {}, Exception("database is locked"))

    monkeypatch.setattr("audit_jobs.leading.take_lease", away)
    leader.ask()
    time.sleep(0.3)
    assert not leader.leads


def test_a_leader_goes_on_asking_whatever_a_question_ends_with(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def broken(*_: object) -> bool:
        asked.append(None)
        raise MemoryError

    leader = Leadership(worked.runtime)
    monkeypatch.setattr("audit_jobs.leading.take_lease", broken)
    monkeypatch.setattr("audit_jobs.leading._ASK_S", 0.01)
    leader.start()
    deadline = time.monotonic() + 5
    while len(asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(asked) >= 3
    assert not leader.leads
    leader.stop()


def test_only_who_leads_orders(worked: WorkedProject) -> None:
    placed: list[str] = []

    class Kept(OrderThreads):
        def place(self, order: Order) -> bool:
            placed.append(order.name)
            return True

    leader, other = Leadership(worked.runtime), Leadership(worked.runtime)
    leader.ask()
    other.ask()
    queue = Kept(lambda _: True)
    for each in (other, leader):
        Watch(worked.runtime, queue, each).look()
    assert placed == [f"round-{worked.project_id}-0"]


def test_a_queue_that_is_away_is_asked_again_at_the_next_look(
    worked: WorkedProject, caplog: pytest.LogCaptureFixture
) -> None:
    placed: list[str] = []

    class Away(OrderThreads):
        def place(self, order: Order) -> bool:
            placed.append(order.name)
            if len(placed) == 1:
                raise QueueUnreachableError(f"not even for {order.name}")
            return True

    leader = Leadership(worked.runtime)
    leader.ask()
    watch = Watch(worked.runtime, Away(lambda _: True), leader)
    watch.look()
    assert "orders.not_placed error=not even for round-" in caplog.text
    watch.look()
    watch.look()
    assert placed == [f"round-{worked.project_id}-0"] * 2


def test_who_was_off_at_the_hour_of_forgetting_forgets_once_it_leads(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgot: list[datetime] = []
    monkeypatch.setattr("audit_jobs.schedule.forget", lambda runtime: forgot.append(runtime.now()))
    leader = Leadership(worked.runtime)
    watch = Watch(worked.runtime, OrderThreads(lambda _: True), leader)
    worked.clock.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    watch.forget()
    assert forgot == []  # whoever stands by changes nothing
    leader.ask()
    watch.forget()
    watch.forget()
    assert len(forgot) == 1
    worked.clock.time = datetime(2026, 3, 3, 3, 59, tzinfo=UTC)
    watch.forget()
    assert len(forgot) == 1
    worked.clock.time = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    watch.forget()
    watch.forget()
    assert len(forgot) == 2


def test_what_cannot_be_forgotten_keeps_nothing_else_from_it(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_runtime: object) -> int:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr("audit_jobs.schedule.erase_deleted", fail)
    caplog.set_level("INFO")
    forget(worked.runtime)
    assert "forget.failed what=tasks" in caplog.text
    assert "inferences.forgotten" in caplog.text


def test_the_scheduler_looks_at_what_is_due_and_forgets(worked: WorkedProject) -> None:
    queue, leadership = OrderThreads(lambda _: True), Leadership(worked.runtime)
    scheduled = {job.id for job in build_scheduler(worked.runtime, queue, leadership).get_jobs()}
    assert scheduled == {"look", "nightly", "forget"}
