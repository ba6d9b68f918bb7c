"""Wishes: pending until they are true, never marked done for a newer one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from backend.store.deliveries import (
    Wish,
    count_by_state,
    due_deliveries,
    looking_otherwise,
    mark_delivered,
    mark_failed,
    mark_left_to_people,
    store_wishes,
)
from backend.store.reopened_deliveries import reopen_accepted, reopen_overtaken
from backend.store.tables import DeliveryRow, TaskRow
from backend.store.tasks import mark_tasks_deleted
from tests.fakes.databases import NOW, PROJECT_ID, Database, after

REVIEW = Wish(
    task_id=1,
    decision_seq=1,
    marker="general",
    label="A",
    score=0.5,
    model_version="v1",
    accepts=False,
    overlap=1,
)
ACCEPT = replace(REVIEW, marker=None, accepts=True, score=0.9)
BLIND = replace(REVIEW, label=None, score=None, model_version=None, overlap=2)
WAITING = replace(BLIND, marker=None, overlap=1)


@pytest.fixture
def tasks(database: Database) -> Database:
    database.add_tasks(*range(1, 11))
    return database


def wish(database: Database, *wishes: Wish, at: float = 0) -> int:
    with database.sessions.begin() as session:
        return store_wishes(session, PROJECT_ID, wishes, after(at))


def due(database: Database, at: float = 0) -> list[Wish]:
    with database.reads() as session:
        return [each.wish for each in due_deliveries(session, PROJECT_ID, after(at), 100)]


def deliver(database: Database, at: float = 0) -> None:
    wishes = due(database, at)
    with database.sessions.begin() as session:
        mark_delivered(session, PROJECT_ID, wishes, after(at))


def row(database: Database, task_id: int = 1) -> DeliveryRow:
    with database.reads() as session:
        return session.get_one(DeliveryRow, (PROJECT_ID, task_id))


def states(database: Database) -> dict[str, int]:
    with database.reads() as session:
        return count_by_state(session, PROJECT_ID)


def label_by_a_person(database: Database, labels: int = 1) -> None:
    with database.sessions.begin() as session:
        session.get_one(TaskRow, (PROJECT_ID, 1)).human_labels = labels


def test_a_wish_is_due_until_it_is_delivered(tasks: Database) -> None:
    assert wish(tasks, REVIEW) == 1
    assert due(tasks) == [replace(REVIEW, revision=1)]
    deliver(tasks)
    assert due(tasks, 10_000) == []
    assert states(tasks) == {"delivered": 1}
    assert row(tasks).delivered == REVIEW.look


def test_equal_looks_need_no_new_delivery(tasks: Database) -> None:
    wish(tasks, REVIEW, replace(ACCEPT, task_id=2))
    assert wish(tasks, REVIEW) == 0  # pending already
    deliver(tasks)
    again = [replace(REVIEW, score=0.6), replace(ACCEPT, task_id=2, model_version="v2", score=0.7)]
    assert wish(tasks, *again) == 0
    assert wish(tasks, replace(WAITING, task_id=3)) == 0  # looks like a task nobody touched
    assert wish(tasks, replace(REVIEW, model_version="v2")) == 1  # shows another version


def test_wishes_that_change_nothing_are_known_without_a_transaction(tasks: Database) -> None:
    wish(tasks, REVIEW, replace(ACCEPT, task_id=2))
    deliver(tasks)
    wish(tasks, replace(REVIEW, task_id=3))
    nothing = [replace(REVIEW, score=0.6), replace(ACCEPT, task_id=2, model_version="v2")]
    nothing.append(replace(WAITING, task_id=4))  # looks like a task nobody touched
    some = [replace(BLIND, task_id=1), replace(REVIEW, task_id=3), replace(REVIEW, task_id=5)]
    with tasks.reads() as session:
        assert looking_otherwise(session, PROJECT_ID, [*nothing, *some]) == some
        assert looking_otherwise(session, PROJECT_ID, []) == []


@pytest.mark.parametrize("other", [ACCEPT, BLIND, WAITING, replace(REVIEW, marker="senior")])
def test_another_look_is_a_new_wish_of_a_higher_revision(tasks: Database, other: Wish) -> None:
    wish(tasks, REVIEW)
    deliver(tasks)
    assert wish(tasks, other) == 1
    assert due(tasks) == [replace(other, revision=2)]


def test_a_wish_that_was_replaced_while_under_way_is_not_done(tasks: Database) -> None:
    wish(tasks, REVIEW)
    under_way = due(tasks)
    wish(tasks, ACCEPT)
    with tasks.sessions.begin() as session:
        mark_delivered(session, PROJECT_ID, under_way, NOW)
        mark_left_to_people(session, PROJECT_ID, under_way, NOW)
    assert due(tasks) == [replace(ACCEPT, revision=2)]
    assert row(tasks).delivered is None


def test_back_to_the_old_look_is_a_wish_too_while_something_else_is_pending(
    tasks: Database,
) -> None:
    wish(tasks, REVIEW)
    deliver(tasks)
    wish(tasks, ACCEPT)  # under way: Label Studio may show it already
    assert wish(tasks, REVIEW) == 1
    assert due(tasks) == [replace(REVIEW, revision=3)]


def test_an_overlap_that_may_have_been_set_is_not_trusted(tasks: Database) -> None:
    wish(tasks, BLIND)  # asks two people; its delivery may have got half-way
    wish(tasks, REVIEW)
    with tasks.reads() as session:
        (delivery,) = due_deliveries(session, PROJECT_ID, NOW, 10)
    assert delivery.delivered is not None
    assert delivery.delivered["overlap"] is None


def test_waiting_grows_from_two_seconds_to_ten_minutes(tasks: Database) -> None:
    wish(tasks, REVIEW)
    waits = []
    time = 0.0
    for _ in range(11):
        wishes = due(tasks, time)
        with tasks.sessions.begin() as session:
            mark_failed(session, PROJECT_ID, wishes, "down", after(time))
        waits.append((row(tasks).next_attempt_at - after(time)) / timedelta(seconds=1))
        assert due(tasks, time + waits[-1] - 0.001) == []
        time += waits[-1]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 600, 600, 600]
    assert (row(tasks).attempts, row(tasks).error) == (11, "down")
    deliver(tasks, time)
    assert row(tasks).error is None
    wish(tasks, ACCEPT)
    assert row(tasks).attempts == 0  # a new wish has not failed yet


def test_a_clock_that_was_set_back_holds_no_delivery_up(tasks: Database) -> None:
    wish(tasks, REVIEW)
    day = 86_400.0
    with tasks.sessions.begin() as session:
        mark_failed(session, PROJECT_ID, due(tasks, day), "down", after(day))
    assert due(tasks, 0)
    assert not due(tasks, day + 1)


def test_a_persons_answer_reopens_only_what_the_robot_had(tasks: Database) -> None:
    wish(tasks, ACCEPT, *(replace(REVIEW, task_id=each) for each in (2, 3)))
    deliver(tasks)
    label_by_a_person(tasks)
    with tasks.sessions.begin() as session:
        session.get_one(TaskRow, (PROJECT_ID, 2)).human_labels = 1
        reopen_overtaken(session, PROJECT_ID, after(5))
    assert [each.task_id for each in due(tasks, 5)] == [1]
    assert row(tasks).revision == 2
    with tasks.sessions.begin() as session:
        mark_left_to_people(session, PROJECT_ID, due(tasks, 5), after(5))
        reopen_overtaken(session, PROJECT_ID, after(6))
    assert states(tasks) == {"delivered": 2, "left_to_people": 1}


def test_an_answer_that_was_taken_back_reopens_what_was_left_to_people(tasks: Database) -> None:
    wish(tasks, ACCEPT)
    label_by_a_person(tasks)
    with tasks.sessions.begin() as session:
        mark_left_to_people(session, PROJECT_ID, [replace(ACCEPT, revision=1)], NOW)
    label_by_a_person(tasks, 0)
    with tasks.sessions.begin() as session:
        reopen_overtaken(session, PROJECT_ID, after(5))
    assert due(tasks, 5) == [replace(ACCEPT, revision=2)]
    assert row(tasks).delivered is None  # nothing of it was ever written


def test_a_deleted_annotation_reopens_accepts_alone(tasks: Database) -> None:
    wish(tasks, ACCEPT, replace(REVIEW, task_id=2), replace(ACCEPT, task_id=3))
    deliver(tasks)
    with tasks.sessions.begin() as session:
        reopen_accepted(session, PROJECT_ID, [1, 2], NOW)
    assert [each.task_id for each in due(tasks)] == [1]


def test_tasks_that_are_gone_are_not_due(tasks: Database) -> None:
    wish(tasks, REVIEW, replace(REVIEW, task_id=2))
    with tasks.sessions.begin() as session:
        mark_tasks_deleted(session, PROJECT_ID, [1], NOW)
    assert [each.task_id for each in due(tasks)] == [2]


def test_more_wishes_than_one_statement_takes(tasks: Database) -> None:
    ids = range(100, 6_400)
    tasks.add_tasks(*ids)
    wishes = [replace(REVIEW, task_id=each) for each in ids]
    assert wish(tasks, *wishes) == len(ids)
    with tasks.sessions.begin() as session:
        mark_failed(session, PROJECT_ID, wishes, "down", NOW)
        mark_delivered(session, PROJECT_ID, [replace(w, revision=1) for w in wishes], NOW)
    assert states(tasks) == {"delivered": len(ids)}
    assert wish(tasks, *wishes) == 0
