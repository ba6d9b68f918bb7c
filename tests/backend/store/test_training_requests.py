"""Training requests: at most one queued and one running, and none that kills for ever."""

from __future__ import annotations

import threading

import pytest

from backend.store.tables import TrainingRequestRow
from backend.store.training import (
    MOST_ATTEMPTS,
    TrainingRequest,
    end_training,
    give_back,
    labels_at_last_request,
    open_requests,
    request_training,
    start_training,
)
from tests.fakes.databases import NOW, PROJECT_ID, Database


def request(database: Database, labels: int = 10) -> bool:
    with database.sessions.begin() as session:
        return request_training(session, PROJECT_ID, f"{labels} labels", labels, NOW)


def start(database: Database) -> TrainingRequest | None:
    with database.sessions.begin() as session:
        return start_training(session, PROJECT_ID, NOW)


def states(database: Database) -> list[str]:
    with database.reads() as session:
        return [each.state for each in open_requests(session, PROJECT_ID)]


def end(database: Database, request_id: int, version: str | None = "v1") -> None:
    with database.sessions.begin() as session:
        end_training(session, request_id, "said why", version, NOW)


def test_one_waits_while_one_runs_and_no_more(database: Database) -> None:
    assert start(database) is None
    assert request(database)
    assert not request(database)
    running = start(database)
    assert running is not None
    assert (running.attempts, running.state) == (1, "running")
    assert request(database, 20)
    assert not request(database, 30)
    assert states(database) == ["running", "queued"]
    with database.reads() as session:
        assert labels_at_last_request(session, PROJECT_ID) == 20
    end(database, running.id)
    following = start(database)
    assert following is not None
    assert following.human_labels == 20


def test_many_at_once_queue_one(database: Database) -> None:
    queued: list[bool] = []
    start_line = threading.Barrier(8)

    def ask() -> None:
        start_line.wait()
        queued.extend(request(database) for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(queued) == 1
    assert states(database) == ["queued"]


def test_projects_do_not_wait_for_each_other(database: Database) -> None:
    database.add_project(2)
    request(database)
    with database.sessions.begin() as session:
        assert request_training(session, 2, "other", 5, NOW)
        assert labels_at_last_request(session, PROJECT_ID) == 10


def test_a_dead_trainers_request_is_taken_up_again_before_the_queued_one(
    database: Database,
) -> None:
    request(database)
    first = start(database)
    assert first is not None
    request(database, 20)
    again = start(database)  # nobody ended it: its trainer is dead
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)


def test_after_three_deaths_it_is_given_up_and_the_next_one_comes(database: Database) -> None:
    request(database)
    for _ in range(MOST_ATTEMPTS):
        taken = start(database)
        assert taken is not None
    request(database, 20)
    following = start(database)
    assert following is not None
    assert (following.human_labels, following.attempts) == (20, 1)
    with database.reads() as session:
        dead = session.get_one(TrainingRequestRow, following.id - 1)
        assert (dead.state, dead.outcome) == ("failed", "the trainer died 3 times")
    end(database, following.id)
    assert start(database) is None


def test_an_attempt_that_was_told_to_stop_does_not_count(database: Database) -> None:
    request(database)
    for _ in range(3 * MOST_ATTEMPTS):
        taken = start(database)
        assert taken is not None
        assert taken.attempts == 1
        with database.sessions.begin() as session:
            give_back(session, taken.id)


@pytest.mark.parametrize(("version", "state"), [("v1", "ended"), (None, "failed")])
def test_an_ended_request_says_what_came_of_it(
    database: Database, version: str | None, state: str
) -> None:
    request(database)
    taken = start(database)
    assert taken is not None
    end(database, taken.id, version)
    with database.reads() as session:
        row = session.get_one(TrainingRequestRow, taken.id)
        assert (row.state, row.outcome, row.model_version) == (state, "said why", version)
    assert states(database) == []
    assert request(database, 30)
