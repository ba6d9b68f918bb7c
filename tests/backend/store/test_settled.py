"""Settled accepts are left to the database, and placing finds the same without them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from backend.queueing import place
from backend.store.open_decisions import open_decisions
from backend.store.settled import count_settled, is_settled
from backend.store.tables import DeliveryRow
from policies.domain import Outcome, Purpose
from tests.fakes.worked_project import WorkedProject, worked_project


def accepting(folder: Path) -> WorkedProject:
    """Sixty fruit tasks that are sure, two of music that are not; all that is wished is there."""
    worked = worked_project(folder)
    worked.promote()
    worked.add(["fruit"] * 60 + ["music"] * 2)
    worked.settle()
    return worked


def test_what_stands_as_accepted_is_not_read_and_counted_by_label(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    every = worked.decisions()
    accepted = {
        each.task_id
        for each in every.values()
        if each.outcome is Outcome.ACCEPT and each.purpose is not Purpose.AUDIT
    }
    with worked.runtime.reads() as session:
        left = {each.task_id for each in open_decisions(session, worked.project_id, is_settled())}
        counted = count_settled(session, worked.project_id)
    assert len(accepted) > 20
    assert left == every.keys() - accepted
    assert counted == {"A": len(accepted)}


def test_an_accept_that_is_not_there_as_decided_is_wished_for_again(tmp_path: Path) -> None:
    worked = accepting(tmp_path)
    task_id = next(
        each.task_id
        for each in worked.decisions().values()
        if each.outcome is Outcome.ACCEPT and each.purpose is not Purpose.AUDIT
    )
    other = {"marker": None, "label": "B", "version": None, "accepts": True, "overlap": 1}
    with worked.runtime.sessions.begin() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.task_id == task_id)
            .values(label="B", delivered=other)
        )
    worked.add(["music"])  # the ledger grows, so that the queue is placed once more
    worked.round()
    with worked.runtime.reads() as session:
        left = {each.task_id for each in open_decisions(session, worked.project_id, is_settled())}
    assert task_id not in left
    assert worked.deliveries()[task_id].label == "A"
    assert place(worked.runtime, worked.project)["changed"] == 0
