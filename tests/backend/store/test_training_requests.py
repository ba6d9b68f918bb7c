"""Training requests: at most one queued and one running, and none that kills for ever."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from backend.store.model_tables import TrainingRequestRow
from backend.store.training import (
    CANCELLED,
    FAILED,
    KEPT,
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    PROMOTED,
    REFUSED,
    SETTLES_AFTER,
    Ending,
    TrainingRequest,
    attempt_died,
    cancel_training,
    end_training,
    give_back,
    labels_at_last_request,
    last_request,
    open_requests,
    recent_requests,
    refuse_training,
    report_progress,
    request_training,
    start_training,
    training_request,
    training_waits,
)
from tests.fakes.databases import NOW, PROJECT_ID, Database, after


def request(database: Database, labels: int = 10, reason: str = "labels", at: float = 0) -> bool:
    with database.sessions.begin() as session:
        return request_training(session, PROJECT_ID, reason, labels, after(at))


def start(database: Database, labels: int = 10) -> TrainingRequest | None:
    with database.sessions.begin() as session:
        return start_training(session, PROJECT_ID, labels, NOW)


def started(database: Database, labels: int = 10) -> TrainingRequest:
    found = start(database, labels)
    assert found is not None
    return found


def requests(database: Database) -> list[TrainingRequest]:
    with database.reads() as session:
        return open_requests(session, PROJECT_ID)


def states(database: Database) -> list[str]:
    return [each.state for each in requests(database)]


def end(database: Database, request_id: int, state: str = PROMOTED) -> bool:
    version = None if state == FAILED else "v1"
    with database.sessions.begin() as session:
        return end_training(session, request_id, Ending(state, "said why", version), NOW)


def die(database: Database, waiting: list[TrainingRequest], why: str = "nothing said") -> None:
    with database.sessions.begin() as session:
        attempt_died(session, waiting, why, NOW)


def cancel(database: Database, by: str = "ann") -> list[int]:
    with database.sessions.begin() as session:
        return [each.id for each in cancel_training(session, PROJECT_ID, by, NOW)]


def row(database: Database, request_id: int) -> TrainingRequest:
    with database.reads() as session:
        return training_request(session, request_id)


def waits(database: Database, at: float) -> bool:
    with database.reads() as session:
        return training_waits(session, PROJECT_ID, after(at))


def seen(database: Database) -> int:
    with database.reads() as session:
        return labels_at_last_request(session, PROJECT_ID)


def test_one_waits_while_one_runs_and_no_more(database: Database) -> None:
    assert start(database) is None
    assert request(database)
    assert not request(database)
    running = started(database)
    assert (running.attempts, running.state) == (1, "running")
    assert request(database, 20)
    assert not request(database, 30)
    assert states(database) == ["running", "queued"]
    end(database, running.id)
    assert started(database, 30).human_labels == 30


def test_a_queued_one_keeps_every_reason_once(database: Database) -> None:
    request(database, 10, "ten labels")
    request(database, 12, "drift")
    request(database, 12, "drift")
    (queued,) = requests(database)
    assert queued.reasons == ("ten labels", "drift")
    assert queued.reason == "ten labels; drift"
    assert queued.human_labels == seen(database) == 12


def test_what_a_training_learns_from_is_what_it_has_seen(database: Database) -> None:
    request(database, 10)
    started(database, 25)  # more came while it was queued
    assert seen(database) == 25


def test_a_burst_is_waited_for_but_not_for_ever(database: Database) -> None:
    settles, longest = SETTLES_AFTER.total_seconds(), LONGEST_WAIT.total_seconds()
    request(database)
    assert not waits(database, settles - 0.1)
    assert waits(database, settles)
    request(database, reason="again", at=settles - 1)
    assert not waits(database, settles)
    assert waits(database, 2 * settles)
    second = settles
    while second < 2 * longest:  # it never stops
        request(database, at=second)
        assert waits(database, second) == (second >= longest)
        second += 1


def test_a_clock_that_was_set_back_holds_nothing_up(database: Database) -> None:
    request(database, at=3600)
    assert waits(database, 0)
    assert not waits(database, 3600)


def test_what_a_dead_trainer_left_waits_at_once(database: Database) -> None:
    assert not waits(database, 0)
    request(database)
    started(database)
    assert waits(database, 0)


def test_many_at_once_queue_one(database: Database) -> None:
    queued: list[bool] = []
    start_line = threading.Barrier(8)

    def ask(number: int) -> None:
        start_line.wait()
        queued.extend(request(database, reason=f"reason {number}") for _ in range(5))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(queued) == 1
    (found,) = requests(database)
    assert sorted(found.reasons) == [f"reason {number}" for number in range(8)]


def test_projects_do_not_wait_for_each_other(database: Database) -> None:
    database.add_project(2)
    request(database)
    with database.sessions.begin() as session:
        assert request_training(session, 2, "other", 5, NOW)
        assert cancel_training(session, 2, "bob", NOW)
    assert states(database) == ["queued"]
    assert seen(database) == 10


def test_a_dead_trainers_request_is_taken_up_again_before_the_queued_one(
    database: Database,
) -> None:
    request(database)
    first = started(database)
    request(database, 20)
    again = started(database)  # nobody ended it: its trainer is dead
    assert (again.id, again.attempts) == (first.id, 2)


def test_after_three_deaths_that_nobody_saw_the_next_one_comes(database: Database) -> None:
    request(database)
    for _ in range(MOST_ATTEMPTS):
        dead = started(database)
    request(database, 20)
    following = started(database, 20)
    assert (following.human_labels, following.attempts) == (20, 1)
    assert (row(database, dead.id).state, row(database, dead.id).outcome) == (
        "failed",
        "the trainer died 3 times",
    )
    end(database, following.id)
    assert start(database) is None


def test_the_last_words_of_the_last_death_are_the_reason(database: Database) -> None:
    request(database)
    for number in range(1, MOST_ATTEMPTS):
        before = requests(database)
        taken = started(database)
        die(database, before, f"death {number}")
        found = row(database, taken.id)
        assert (found.outcome, found.attempts) == (f"death {number}", number)
        assert states(database) == ["running"]
    before = requests(database)
    started(database)
    die(database, before, "a bad byte")
    assert states(database) == []
    assert row(database, taken.id).outcome == "the trainer died 3 times; the last time: a bad byte"
    assert row(database, taken.id).state == FAILED


def test_a_trainer_that_dies_before_it_begins_counts_too(database: Database) -> None:
    request(database)
    for _ in range(MOST_ATTEMPTS):
        before = requests(database)
        assert [each.state for each in before] == ["queued"]
        die(database, before, "a setting is wrong")
    assert states(database) == []
    die(database, before)  # nothing is open: nothing happens
    with database.reads() as session:
        last = last_request(session, PROJECT_ID)
    assert last is not None
    assert last.outcome == "the trainer died 3 times; the last time: a setting is wrong"


def test_the_death_is_that_of_the_request_that_was_taken(database: Database) -> None:
    request(database)
    for _ in range(MOST_ATTEMPTS):
        dead = started(database)
    request(database, 20)
    before = requests(database)
    following = started(database)  # the first has died too often
    die(database, before, "a bad byte")
    assert (row(database, following.id).outcome, row(database, following.id).attempts) == (
        "a bad byte",
        1,
    )
    assert row(database, dead.id).outcome == "the trainer died 3 times"


def test_an_attempt_that_was_told_to_stop_does_not_count(database: Database) -> None:
    request(database)
    for _ in range(3 * MOST_ATTEMPTS):
        taken = started(database)
        assert taken.attempts == 1
        with database.sessions.begin() as session:
            give_back(session, taken.id)


@pytest.mark.parametrize("state", [PROMOTED, KEPT, FAILED])
def test_an_ended_request_says_what_came_of_it(database: Database, state: str) -> None:
    request(database)
    taken = started(database)
    assert end(database, taken.id, state)
    found = row(database, taken.id)
    version = None if state == FAILED else "v1"
    assert (found.state, found.outcome, found.model_version) == (state, "said why", version)
    assert states(database) == []
    assert request(database, 30)


def test_progress_is_said_of_what_runs_alone(database: Database) -> None:
    request(database)
    (queued,) = requests(database)

    def tell(share: float | None) -> bool:
        with database.sessions.begin() as session:
            return report_progress(session, queued.id, "training", share)

    assert not tell(0.1)
    started(database)
    assert tell(0.4)
    assert (row(database, queued.id).stage, row(database, queued.id).progress) == ("training", 0.4)
    assert started(database).progress is None  # a new attempt begins anew
    cancel(database)
    assert not tell(0.5)


def test_cancelling_closes_all_that_is_open_and_says_by_whom(database: Database) -> None:
    assert cancel(database) == []
    request(database)
    running = started(database)
    request(database, 20)
    assert len(cancel(database, "ann")) == 2
    assert cancel(database) == []
    assert row(database, running.id).outcome == "cancelled by ann"
    assert not end(database, running.id), "a trainer that comes too late records nothing"
    assert row(database, running.id).state == CANCELLED
    with database.sessions.begin() as session:
        give_back(session, running.id)
    assert row(database, running.id).attempts == 1
    assert start(database) is None
    assert seen(database) == 20, "its labels are not asked for again at once"


def test_a_refused_wish_is_kept_once_and_hides_nothing(database: Database) -> None:
    request(database, 10)
    end(database, started(database).id)

    def refuse(reason: str) -> int:
        with database.sessions.begin() as session:
            return refuse_training(session, PROJECT_ID, reason, "too few", NOW).id

    first = refuse("the button")
    assert refuse("the button") == first
    assert refuse("a command") != first
    assert row(database, first).state == REFUSED
    assert states(database) == []
    assert seen(database) == 10
    with database.reads() as session:
        newest = recent_requests(session, PROJECT_ID, 2)
    assert [each.reason for each in newest] == ["a command", "the button"]


def test_rows_that_ended_keep_their_times(database: Database) -> None:
    request(database)
    taken = started(database)
    end(database, taken.id)
    with database.reads() as session:
        stored = session.get_one(TrainingRequestRow, taken.id)
        assert stored.open is None
        assert stored.ended_at == NOW
        assert stored.due_at == NOW + timedelta(seconds=3)
