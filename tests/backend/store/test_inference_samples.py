"""Looks at inferences, day counts, and the tasks that drawn ones became, in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from backend.store.drift import arrivals, count_arrivals
from backend.store.inference_samples import (
    DayCount,
    Looked,
    add_day_counts,
    count_in_states,
    day_counts,
    earliest_waiting,
    first_day,
    store_looks,
    waiting_inferences,
)
from backend.store.inference_tasks import (
    INFERENCE_KEY,
    carrying_tasks,
    decide_anew,
    drawn_inferences,
    held_inferences,
    newest_task,
    placed_task,
    store_lost,
    store_placed,
    verified_by,
    wanting_data,
)
from backend.store.inferences import DRAWN, PASSED, WAITING, Inference, store_inferences
from backend.store.ledger import Grounds, append_decisions
from backend.store.tables import TaskRow
from backend.store.tasks import StoredTask, store_tasks
from policies.domain import Decision, Outcome, Purpose
from tests.fakes.databases import NOW, PROJECT_ID, Database, after

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)


def add(database: Database, *names: str, project_id: int = PROJECT_ID, kept: bool = True) -> None:
    rows = [
        Inference(
            inference_id=name,
            model_version="v7",
            predicted="A",
            score=0.5,
            data={"text": name} if kept else None,
            data_sha256=None,
            slices={"site": "Basel"},
            at=AT,
        )
        for name in names
    ]
    with database.sessions.begin() as session:
        store_inferences(session, project_id, rows, NOW)


def look(database: Database, *states: str) -> list[int]:
    """Note looks at all that waits, in their order; the rows."""
    with database.sessions.begin() as session:
        waiting = waiting_inferences(session, PROJECT_ID, 0, 100, with_data=False)
        looks = [
            Looked(row, 0.25, 0.1, state, "because" if state == DRAWN else None)
            for row, state in zip(waiting.ids, states, strict=True)
        ]
        store_looks(session, looks)
    return waiting.ids


def test_what_waits_is_read_in_the_order_in_which_it_came_a_chunk_at_a_time(
    database: Database,
) -> None:
    database.add_project(2)
    add(database, "b", "a", "c")
    add(database, "elsewhere", project_id=2)
    with database.reads() as session:
        first = waiting_inferences(session, PROJECT_ID, 0, 2, with_data=True)
        second = waiting_inferences(session, PROJECT_ID, first.ids[-1], 2, with_data=False)
        assert earliest_waiting(session, PROJECT_ID) == AT
        assert count_in_states(session, PROJECT_ID, (WAITING, DRAWN)) == 3
    assert (first.inference_ids, second.inference_ids) == (["b", "a"], ["c"])
    assert first.data == [{"text": "b"}, {"text": "a"}]
    assert second.data is None
    assert (second.times, second.slices) == ([AT], [{"site": "Basel"}])
    look(database, DRAWN, PASSED, PASSED)
    with database.reads() as session:
        nothing = waiting_inferences(session, PROJECT_ID, 0, 2, with_data=True)
        assert earliest_waiting(session, PROJECT_ID) is None
        assert count_in_states(session, PROJECT_ID, (WAITING, DRAWN)) == 1
    assert (len(nothing), nothing.data) == (0, [])


def test_days_are_added_up_by_all_that_tells_them_apart(database: Database) -> None:
    counts = [
        DayCount("2026-02-01", "v7", "A", "", 3),
        DayCount("2026-02-01", "v8", "A", "", 2),
        DayCount("2026-02-02", "v7", "B", '{"site":"Basel"}', 1),
    ]
    for _ in range(2):
        with database.sessions.begin() as session:
            add_day_counts(session, PROJECT_ID, counts)
            add_day_counts(session, PROJECT_ID, [])
    with database.reads() as session:
        found = {
            (e.day, e.predicted, e.slice): e.answers for e in day_counts(session, 1, "2026-02")
        }
        later = list(day_counts(session, PROJECT_ID, "2026-02-02"))
        assert first_day(session, PROJECT_ID) == "2026-02-01"
        assert first_day(session, 99) is None
    assert found == {
        ("2026-02-01", "A", ""): 10,
        ("2026-02-02", "B", '{"site":"Basel"}'): 2,
    }
    assert [each.answers for each in later] == [2]


def test_drawn_ones_are_kept_or_wanting_and_lost_ones_wanted_only_where_asked(
    database: Database,
) -> None:
    add(database, "kept")
    add(database, "wanting", "lost", "passed", kept=False)
    _, _, lost, _ = look(database, DRAWN, DRAWN, DRAWN, PASSED)
    with database.sessions.begin() as session:
        store_lost(session, {lost: "no data"})
    with database.reads() as session:
        kept = drawn_inferences(session, PROJECT_ID, 0, 9, kept=True)
        other = drawn_inferences(session, PROJECT_ID, 0, 9, kept=False)
        wanting = wanting_data(session, PROJECT_ID)
        lost_too = wanting_data(session, PROJECT_ID, lost=True)
    assert [each.inference_id for each in kept] == ["kept"]
    assert [each.inference_id for each in other] == ["wanting"]
    assert [each.inference_id for each in wanting] == ["wanting"]
    assert [each.inference_id for each in lost_too] == ["wanting", "lost"]


def test_a_placed_one_tells_what_its_task_verifies(database: Database) -> None:
    database.add_tasks(11, 12)
    add(database, "x", "y", kept=False)
    x, y = look(database, DRAWN, DRAWN)
    with database.sessions.begin() as session:
        store_lost(session, {y: "no data"})
        store_placed(session, {x: 11, y: 12})
    with database.reads() as session:
        found = {each.task_id: each for each in verified_by(session, PROJECT_ID, [11, 12, 13])}
        held = held_inferences(session, PROJECT_ID, ["x", "unknown"])
        assert placed_task(session, PROJECT_ID, 0) == 12
        assert placed_task(session, PROJECT_ID, 1) == 11
        assert placed_task(session, PROJECT_ID, 2) == 0
        assert newest_task(session, PROJECT_ID) == 12
    assert (found[11].model_version, found[11].predicted, found[11].score) == ("v7", "A", 0.5)
    assert (found[11].share, found[11].draw, found[11].why) == (0.25, 0.1, "because")
    assert found[12].why is None  # why it was lost is not why it was drawn
    assert set(held) == {"x"}
    assert (held["x"].state, held["x"].task_id) == ("placed", 11)


def test_tasks_are_found_by_the_key_alone_and_by_no_text_like_it(database: Database) -> None:
    data: dict[int, dict[str, Any]] = {
        1: {"text": "a", INFERENCE_KEY: {"id": "x"}},
        2: {"text": f'they wrote "{INFERENCE_KEY}" here'},
        3: {"text": "labelgateXinference"},
        4: {"text": "b", INFERENCE_KEY: {"id": "y"}},
    }
    with database.sessions.begin() as session:
        tasks = [StoredTask(id=key, data=each) for key, each in data.items()]
        store_tasks(session, PROJECT_ID, tasks, NOW)
    with database.reads() as session:
        assert carrying_tasks(session, PROJECT_ID, 0) == {1: data[1], 4: data[4]}
        assert carrying_tasks(session, PROJECT_ID, 1) == {4: data[4]}


def test_only_what_nobody_answered_is_decided_anew(database: Database) -> None:
    database.add_tasks(1, 2)
    decisions = [
        Decision(
            task_id=task_id,
            outcome=Outcome.REVIEW,
            purpose=Purpose.ROUTED,
            tier="general",
            rule="no_model",
            reason="no model yet",
            label=None,
            score=None,
            threshold=None,
            draw=0.5,
            inclusion_probability=1.0,
        )
        for task_id in (1, 2)
    ]
    grounds = Grounds(model_version=None, policy_hash="policy-1", certificate_id=None)
    with database.sessions.begin() as session:
        append_decisions(session, PROJECT_ID, decisions, grounds, NOW)
        session.execute(update(TaskRow).where(TaskRow.task_id == 2).values(human_labels=1))
        decide_anew(session, PROJECT_ID, [1, 2])
    with database.reads() as session:
        rows = session.query(TaskRow.task_id, TaskRow.decision_seq).order_by(TaskRow.task_id)
        assert [tuple(row) for row in rows] == [(1, None), (2, 2)]


def test_what_verifies_a_deployed_model_is_none_of_the_projects_traffic(
    database: Database,
) -> None:
    """More of what is rare or drifted is drawn of it: it would look like drift of the project's."""
    database.add_tasks(1, 2, 3)
    add(database, "x")
    (row,) = look(database, DRAWN)
    with database.sessions.begin() as session:
        store_placed(session, {row: 2})
    with database.reads() as session:
        assert count_arrivals(session, PROJECT_ID, None) == 2
        found = arrivals(session, PROJECT_ID, None, after(1))
    assert [task_id for task_id, _ in found] == [3, 1]
