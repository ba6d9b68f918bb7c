"""What happens to a task while the model predicts is not overwritten by the decision on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.breakers.recall import Cause, recall
from backend.champion import predicted_chunks
from backend.routing import route
from backend.store.freezes import EXPORT
from backend.store.promise_tables import FreezeRow
from backend.store.tables import TaskRow
from policies.domain import Purpose
from policies.recalls import Scope
from tests.fakes.accepting_project import ACCEPT, accepting_project, accepts
from tests.fakes.worked_project import WorkedProject, worked_policy


@pytest.fixture
def worked(tmp_path: Path) -> WorkedProject:
    return accepting_project(tmp_path)


def while_predicting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    def slowly(*given: Any) -> Any:
        found = list(predicted_chunks(*given))
        happens()
        return found

    monkeypatch.setattr("backend.routing.predicted_chunks", slowly)


def another_policy(worked: WorkedProject) -> None:
    worked.connect(worked_policy(auto_accept=ACCEPT | {"floor": 0.71}, control={"share": 0.3}))


def test_a_recall_is_not_undone(worked: WorkedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    before = accepts(worked)
    another_policy(worked)
    while_predicting(
        monkeypatch,
        lambda: recall(worked.runtime, worked.project, Scope(since=None), Cause(why="in doubt")),
    )
    route(worked.runtime, worked.project)
    assert set(worked.with_purpose(Purpose.RECALL)) == before
    assert not accepts(worked)


def test_what_was_frozen_stays_as_it_went_out(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = min(accepts(worked))
    before = worked.decisions()[chosen].seq

    def freeze() -> None:
        with worked.runtime.sessions.begin() as session:
            row = FreezeRow(
                project_id=worked.project_id,
                number=1,
                model_version="v1",
                policy_hash=worked.project.policy_hash,
                evidence={},
                answers=0,
                left_control=[],
                tasks=1,
                why=EXPORT,
                frozen_at=worked.clock(),
            )
            session.add(row)
            session.flush()
            session.get_one(TaskRow, (worked.project_id, chosen)).freeze_id = row.id

    another_policy(worked)
    while_predicting(monkeypatch, freeze)
    route(worked.runtime, worked.project)
    with worked.runtime.reads() as session:
        assert session.get_one(TaskRow, (worked.project_id, chosen)).decision_seq == before


def test_a_task_that_came_and_one_that_nothing_happened_to_are_decided(
    worked: WorkedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_policy(worked)
    while_predicting(monkeypatch, lambda: None)
    found = route(worked.runtime, worked.project)
    assert found["decided"] >= found["accepted"] > 0
    assert route(worked.runtime, worked.project)["decided"] == 0
