"""Leases: one holder at a time, whoever comes, and a dead one's runs out."""

from __future__ import annotations

import threading

from backend.store.leases import free_lease, lease_is_held, take_lease
from tests.fakes.databases import Database, after


def take(database: Database, holder: str, at: float = 0, name: str = "work") -> bool:
    with database.sessions.begin() as session:
        return take_lease(session, name, holder, after(at), 10)


def held(database: Database, at: float) -> bool:
    with database.reads() as session:
        return lease_is_held(session, "work", after(at))


def test_one_holder_until_it_runs_out(database: Database) -> None:
    assert not held(database, 0)
    assert take(database, "one")
    assert take(database, "one", 1)  # renewed
    assert take(database, "two", 1, name="other work")
    assert not take(database, "two", 10.9)
    assert held(database, 10.9)
    assert not held(database, 11)
    assert take(database, "two", 11)
    assert not take(database, "one", 12)


def test_only_the_holder_frees_it(database: Database) -> None:
    take(database, "one")
    with database.sessions.begin() as session:
        free_lease(session, "work", "two")
    assert not take(database, "two")
    with database.sessions.begin() as session:
        free_lease(session, "work", "one")
    assert take(database, "two")


def test_a_clock_that_was_set_back_leaves_no_lease_for_days(database: Database) -> None:
    day = 86_400
    assert take(database, "one", day)  # and dies; then the clock is set back by a day
    assert not held(database, 0)
    assert take(database, "two", 0)
    assert held(database, 0)


def test_clocks_of_hosts_may_differ_a_little(database: Database) -> None:
    assert take(database, "one", 50)
    assert not take(database, "two", 0)


def test_of_many_at_once_exactly_one_gets_it(database: Database) -> None:
    for round_number in range(5):
        taken: list[bool] = []
        line = threading.Barrier(8)

        def ask(
            number: int,
            line: threading.Barrier = line,
            taken: list[bool] = taken,
            at: float = 20.0 * round_number,
        ) -> None:
            line.wait()
            taken.append(take(database, f"holder {number}", at))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [False] * 7 + [True]
