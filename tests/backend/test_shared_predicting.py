"""Workers share the asking of a slow model: every task once, whoever dies or comes late."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_jobs.carrying_out import carry_out
from audit_jobs.due import MOST_HELPERS, DueWork
from audit_jobs.running import GIVEN_BACK, run_job
from backend import routing, shared_predicting
from backend.candidate_files import packed, unpacked
from backend.champion import load_champion
from backend.job_progress import given_back_when
from backend.leasing import holding
from backend.orders.order import HELP, Lane, Order
from backend.shared_predicting import Shared, help_predicting
from backend.store.job_runs import lease_of
from backend.store.leases import take_lease
from backend.store.projects import active_project
from backend.store.work_chunks import (
    WorkChunk,
    chunk_results,
    chunks_done,
    close_sharing,
    count_free_chunks,
    finish_chunk,
    free_chunks,
    is_open_chunk,
    share_out,
)
from policies.domain import Candidates, column
from policies.loading import parse_policy
from tests.fakes.large_project import SECONDS_A_TEXT, LargeProject, large_project
from tests.fakes.web_project import PROJECT_ID
from tests.waiting import until

TASKS = 200


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LargeProject:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "labelgate_test_slow", raising=False)  # another test's
    monkeypatch.setenv(SECONDS_A_TEXT, "0.004")
    monkeypatch.setattr(shared_predicting, "MEASURED_S", 0.05)
    monkeypatch.setattr(shared_predicting, "WORTH_S", 0.2)
    monkeypatch.setattr(shared_predicting, "CHUNK_S", 0.05)
    monkeypatch.setattr(shared_predicting, "FEWEST", 10)
    return large_project(tmp_path, TASKS, redis_url="redis://127.0.0.1:1/0")


def route(large: LargeProject) -> dict[str, object]:
    with large.runtime.reads() as session:
        project = active_project(session, PROJECT_ID)
    assert project is not None
    return run_job(large.runtime, "route", project)


@contextmanager
def helped(large: LargeProject, helpers: int) -> Iterator[list[int]]:
    """Others look for work all the while; how many chunks each did."""
    over = threading.Event()
    done = [0] * helpers

    def look(place: int) -> None:
        while not over.wait(0.02):
            done[place] += help_predicting(large.runtime, PROJECT_ID)

    threads = [threading.Thread(target=look, args=(place,)) for place in range(helpers)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()


def wall_clock() -> datetime:
    return datetime.now(UTC)


def free(large: LargeProject) -> list[WorkChunk]:
    with large.runtime.reads() as session:
        return free_chunks(session, PROJECT_ID, wall_clock(), 99)


def share(large: LargeProject, parts: list[list[int]], grounds: str = "of another") -> None:
    with large.runtime.sessions.begin() as session:
        share_out(session, PROJECT_ID, ("sharing", grounds), parts, large.runtime.now())


def test_with_helpers_every_task_is_asked_about_once_and_decided_once(large: LargeProject) -> None:
    with helped(large, 3) as done:
        report = route(large)
    assert (report["decided"], report["left"]) == (TASKS, 0)
    assert sum(done) > 0
    assert set(large.asked().values()) == {1}
    assert len(large.asked()) == TASKS
    large.check_ledger()
    with large.runtime.reads() as session:
        assert chunks_done(session, PROJECT_ID, "sharing") == (0, 0)
    assert free(large) == []


def test_who_is_not_helped_does_all_alone(large: LargeProject) -> None:
    assert route(large)["decided"] == TASKS
    assert set(large.asked().values()) == {1}
    large.check_ledger()


def test_shared_answers_decide_as_those_of_one_worker_alone(
    large: LargeProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with helped(large, 2):
        route(large)
    alone = large_project(tmp_path_factory.mktemp("alone"), TASKS)  # not shared without Redis
    route(alone)
    assert large.decided() == alone.decided()
    assert len(large.decided()) == TASKS


def test_without_redis_nothing_is_shared(
    large: LargeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = large.runtime.settings.model_copy(update={"redis_url": None})
    object.__setattr__(large.runtime, "settings", plain)

    def refuse(*_: object) -> None:
        raise AssertionError("it was shared")

    monkeypatch.setattr(routing, "answered_together", refuse)
    assert route(large)["decided"] == TASKS


def test_the_time_of_a_round_ends_a_sharing_too(
    large: LargeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "LONGEST_S", 0.5)
    report = route(large)
    assert 0 < int(str(report["decided"])) < TASKS
    assert int(str(report["left"])) == TASKS - int(str(report["decided"]))
    while route(large)["left"]:
        pass
    assert set(large.asked().values()) == {1}
    large.check_ledger()


def test_a_chunk_is_free_again_once_the_lease_of_who_died_has_run_out(large: LargeProject) -> None:
    share(large, [[1, 2], [3]])
    with large.runtime.sessions.begin() as session:
        first, second = free_chunks(session, PROJECT_ID, wall_clock(), 9)
        assert (first.task_ids, second.task_ids) == ((1, 2), (3,))
        assert take_lease(session, first.lease, "the dead", wall_clock(), 0.3)
        assert free_chunks(session, PROJECT_ID, wall_clock(), 9) == [second]
        assert count_free_chunks(session, wall_clock()) == {PROJECT_ID: 1}
    until(lambda: free(large) == [first, second], "the lease has run out")


def test_the_round_itself_takes_up_the_chunk_of_a_helper_that_died(
    large: LargeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[int] = []

    def share_and_die(*arguments: Any) -> None:
        """Somebody claims a chunk at once, and is never heard of again."""
        share_out(*arguments)
        (session, *_) = arguments
        chunk = free_chunks(session, PROJECT_ID, wall_clock(), 9)[1]
        assert take_lease(session, chunk.lease, "the dead", wall_clock(), 2.0)
        died.append(chunk.id)

    monkeypatch.setattr(shared_predicting, "share_out", share_and_die)
    report = route(large)
    assert died
    assert (report["decided"], report["left"]) == (TASKS, 0)
    assert set(large.asked().values()) == {1}
    large.check_ledger()


def test_a_chunk_that_was_done_meanwhile_is_not_done_again(large: LargeProject) -> None:
    share(large, [[1]])
    (chunk,) = free(large)
    with large.runtime.sessions.begin() as session:
        assert finish_chunk(session, chunk, b"first", large.runtime.now())
        assert not finish_chunk(session, chunk, b"second", large.runtime.now())
        assert chunk_results(session, PROJECT_ID, "sharing") == {0: b"first"}
        assert chunks_done(session, PROJECT_ID, "sharing") == (1, 1)
    assert free(large) == []


def test_what_was_asked_for_an_earlier_sharing_answers_nothing_of_a_later_one(
    large: LargeProject,
) -> None:
    share(large, [[1]])
    (earlier,) = free(large)
    with large.runtime.sessions.begin() as session:
        assert take_lease(session, earlier.lease, "slow", wall_clock(), 60)
        close_sharing(session, PROJECT_ID, None)
        share_out(session, PROJECT_ID, ("later", "other grounds"), [[2]], large.runtime.now())
    (later,) = free(large)  # SQLite numbers rows anew once all are deleted
    with large.runtime.sessions.begin() as session:
        assert not is_open_chunk(session, earlier)
        assert not finish_chunk(session, earlier, b"answers to 1", large.runtime.now())
        assert is_open_chunk(session, later)
        assert chunk_results(session, PROJECT_ID, "later") == {}


def test_a_chunk_is_free_though_the_clock_was_set_back_since_its_worker_died(
    large: LargeProject,
) -> None:
    share(large, [[1]])
    (chunk,) = free(large)
    with large.runtime.sessions.begin() as session:
        assert take_lease(session, chunk.lease, "dead", wall_clock() + timedelta(days=365), 15)
    assert free(large) == [chunk]
    with large.runtime.sessions.begin() as session:
        assert count_free_chunks(session, wall_clock()) == {PROJECT_ID: 1}
        assert close_sharing(session, PROJECT_ID, wall_clock()) == 0


def test_a_round_waits_for_chunks_that_others_have_begun_and_lets_no_new_one_begin(
    large: LargeProject,
) -> None:
    share(large, [[1], [2], [3]])
    _, begun, done = free(large)
    with large.runtime.sessions.begin() as session:
        assert take_lease(session, begun.lease, "another", wall_clock(), 60)
        finish_chunk(session, done, b"answers", large.runtime.now())
        assert close_sharing(session, PROJECT_ID, wall_clock()) == 1
        assert chunks_done(session, PROJECT_ID, "sharing") == (1, 2)
        assert is_open_chunk(session, begun)
        assert close_sharing(session, PROJECT_ID, None) == 0
        assert chunks_done(session, PROJECT_ID, "sharing") == (0, 0)
        assert not finish_chunk(session, begun, b"too late", large.runtime.now())


def test_nobody_helps_a_round_that_has_died_or_rests_on_other_grounds(large: LargeProject) -> None:
    route(large)  # the version is known
    before = large.asked()
    share(large, [[1, 2]])
    assert help_predicting(large.runtime, PROJECT_ID) == 0  # no worker holds the job's lease
    with holding(large.runtime, lease_of("route", PROJECT_ID)):
        assert help_predicting(large.runtime, PROJECT_ID) == 0  # other grounds
    assert large.asked() == before


def test_a_helper_that_is_told_to_end_leaves_after_its_chunk(large: LargeProject) -> None:
    with helped(large, 0):
        route(large)
    with large.runtime.reads() as session:
        project = active_project(session, PROJECT_ID)
    assert project is not None
    serving = load_champion(large.runtime, PROJECT_ID)
    assert serving is not None
    shared = Shared(project=project, policy=parse_policy(project.policy_text), serving=serving)
    share(large, [[1], [2], [3]], shared.grounds)
    help_order = Order(lane=Lane.HELP, job=HELP, project_id=PROJECT_ID)
    looks = iter([False, True])  # it is told between two looks
    with (
        holding(large.runtime, lease_of("route", PROJECT_ID)),
        given_back_when(lambda: next(looks, True)),
    ):
        assert carry_out(large.runtime, help_order)
    assert len(free(large)) == 2


def test_help_is_ordered_for_chunks_that_nobody_works_on(large: LargeProject) -> None:
    due = DueWork(large.runtime)
    due.look()
    assert due.look() == []
    share(large, [[n] for n in range(1, 60)])
    orders = due.look()
    assert {order.lane for order in orders} == {Lane.HELP}
    assert len({order.name for order in orders}) == MOST_HELPERS


def test_a_round_that_is_given_back_leaves_nothing_shared(large: LargeProject) -> None:
    began = time.monotonic()
    with given_back_when(lambda: time.monotonic() - began > 0.5):
        assert route(large) == {"state": GIVEN_BACK}
    assert large.decided() == []
    assert free(large) == []
    assert route(large)["decided"] == TASKS


def test_candidates_survive_being_bytes() -> None:
    made = Candidates(
        task_ids=np.array([3, 2**40], np.int64),
        labels=column(["A", None]),
        scores=np.array([1 / 3, np.nan]),
        problems=column([None, "broken \ud800 image"]),
        fields={"tags": column([["x", "y"], ["z", None]]), "n": column([2**70, {"deep": [1.5]}])},
        signals={"margin": np.array([np.inf, np.nan])},
        predictors=column(["model", "a rule"]),
        mentions=column([("A", "B"), ()]),
        listed=False,
        part_scores=column([(0.5, 0.25), None]),
    )
    found = unpacked(packed(made))
    for name in ("labels", "problems", "predictors", "mentions", "part_scores"):
        assert getattr(found, name).tolist() == getattr(made, name).tolist(), name
    for name in ("task_ids", "scores"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert {k: v.tolist() for k, v in found.fields.items()} == {
        k: v.tolist() for k, v in made.fields.items()
    }
    np.testing.assert_array_equal(found.signals["margin"], made.signals["margin"])
    assert (found.listed, found.monitored) == (False, None)
