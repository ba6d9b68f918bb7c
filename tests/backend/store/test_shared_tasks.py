"""What several people answered, some tasks at a time; alerts; old reports thinned out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backend.store import shared_tasks as module
from backend.store.alerts import Alert, newest_alerts, open_alerts, store_alert
from backend.store.reports import (
    AGREEMENT,
    ALERT,
    CYCLE,
    Report,
    reports,
    store_report,
    thin_reports,
)
from backend.store.shared_tasks import lead_seconds, shared_state, shared_tasks
from backend.store.tasks import (
    StoredTask,
    mark_annotations_deleted,
    mark_tasks_deleted,
    store_annotations,
    store_tasks,
)
from tests.fakes.databases import NOW, PROJECT_ID, Database, after


def answer(number: int, task_id: int, user_id: int, **more: Any) -> dict[str, Any]:
    return {
        "annotation_id": number,
        "task_id": task_id,
        "user_id": user_id,
        "by_robot": False,
        "label": "A",
        "result": [{"number": number}],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time_s": 1.5,
        "parent_prediction_id": None,
        "created_at": NOW,
        "updated_at": after(number),
        **more,
    }


def fill(database: Database) -> None:
    rows = [
        *(answer(10 * task + user, task, user) for task in (1, 2, 3, 5) for user in (7, 8)),
        answer(40, 4, 7),
        answer(41, 4, 9, by_robot=True),
        answer(42, 4, 8, was_cancelled=True),
        answer(59, 5, 9, lead_time_s=None),
    ]
    with database.sessions.begin() as session:
        store_tasks(
            session, PROJECT_ID, [StoredTask(id=i, data={"i": i}) for i in range(1, 6)], NOW
        )
        store_annotations(session, PROJECT_ID, [1, 2, 3, 4, 5], rows, NOW)


def test_tasks_of_two_people_come_in_order_whatever_the_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    monkeypatch.setattr(module, "_TASKS_PER_READ", 2)
    with database.sessions.begin() as session:
        mark_tasks_deleted(session, PROJECT_ID, [2], NOW)
        found = list(shared_tasks(session, PROJECT_ID))
        seconds = lead_seconds(session, PROJECT_ID)
    assert [(task.id, [each.annotation_id for each in task.readings]) for task in found] == [
        (1, [17, 18]),
        (3, [37, 38]),
        (5, [57, 58, 59]),
    ]
    assert found[0].readings[0].result == [{"number": 17}]
    assert found[0].data == {"i": 1}
    assert (found[0].purpose, found[0].outcome, found[0].inclusion_probability) == (None,) * 3
    assert len(seconds) == 9  # skips, the robot's and unknown times do not count


def test_the_state_changes_with_every_answer_that_counts(database: Database) -> None:
    fill(database)
    states = []
    with database.sessions.begin() as session:
        states.append(shared_state(session, PROJECT_ID))
        assert shared_state(session, PROJECT_ID) == states[0]
        assert states[0].answers == 9
        store_annotations(session, PROJECT_ID, [4], [answer(40, 4, 7, label="B")], NOW)
        assert shared_state(session, PROJECT_ID) == states[0]  # one person's alone
        edited = [answer(17, 1, 7, updated_at=after(900)), answer(18, 1, 8)]
        store_annotations(session, PROJECT_ID, [1], edited, NOW)
        states.append(shared_state(session, PROJECT_ID))
        mark_annotations_deleted(session, PROJECT_ID, [59], NOW)
        states.append(shared_state(session, PROJECT_ID))
        replaced = [answer(57, 5, 7), answer(60, 5, 9)]
        store_annotations(session, PROJECT_ID, [5], replaced, NOW)
        states.append(shared_state(session, PROJECT_ID))
    assert len(set(states)) == len(states)
    assert states[-1].answers == states[-2].answers


def test_an_empty_project_has_a_state(database: Database) -> None:
    with database.sessions.begin() as session:
        state = shared_state(session, PROJECT_ID)
        assert list(shared_tasks(session, PROJECT_ID)) == []
    assert state.as_json() == {
        "answers": 0,
        "ids": 0,
        "changed_at": None,
        "newest_decision": None,
    }


def test_alerts_stand_until_they_are_over(database: Database) -> None:
    def alert(about: str, minutes: int, *, opened: bool) -> Alert:
        return Alert(
            name="agreement",
            about=about,
            opened=opened,
            says=f"{about} {minutes}",
            detail={"minimum": 0.5},
            made_at=after(60 * minutes),
        )

    rows = [
        alert("mood", 1, opened=True),
        alert("topic", 2, opened=True),
        alert("mood", 3, opened=False),
    ]
    with database.sessions.begin() as session:
        for row in rows:
            store_alert(session, PROJECT_ID, row)
        assert open_alerts(session, PROJECT_ID) == {("agreement", "topic"): rows[1]}
        assert list(newest_alerts(session, PROJECT_ID).values()) == [rows[2], rows[1]]
        states = [each.body["state"] for each in reports(session, PROJECT_ID, ALERT)]
    assert states == ["opened", "opened", "resolved"]


def test_of_old_reports_the_last_of_each_day_is_kept(database: Database) -> None:
    days = timedelta(days=1)
    start = NOW.replace(hour=1)
    times = [start, start + timedelta(hours=2), start + days, start + days + timedelta(hours=5)]
    with database.sessions.begin() as session:
        for kind in (AGREEMENT, CYCLE):
            for place, made_at in enumerate(times):
                body = {"place": place}
                report = Report(kind=kind, model_version=None, made_at=made_at, body=body)
                store_report(session, PROJECT_ID, report)
        assert thin_reports(session, AGREEMENT, times[2]) == 1
        assert thin_reports(session, AGREEMENT, times[2]) == 0
        kept = [each.body["place"] for each in reports(session, PROJECT_ID, AGREEMENT)]
        others = reports(session, PROJECT_ID, CYCLE)
    assert kept == [1, 2, 3]
    assert len(others) == 4
