"""What is kept is made once, whoever asks at the same time, and does not pile up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.what_if.kept import KeptSamples, rounded


def test_all_who_ask_at_once_get_one_value_that_is_made_once() -> None:
    kept: KeptSamples[object] = KeptSamples(4)
    made: list[object] = []
    asking, go = threading.Barrier(9), threading.Event()

    def make() -> object:
        made.append(object())
        go.wait(30)
        return made[-1]

    def ask() -> object:
        asking.wait(30)
        return kept.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        asking.wait(30)
        go.set()
        found = {id(each.result(30)) for each in asked}
    assert len(made) == 1
    assert found == {id(made[0])}


def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    kept: KeptSamples[str] = KeptSamples(4)
    begun, go = threading.Event(), threading.Event()

    def fail() -> str:
        begun.set()
        go.wait(30)
        raise RuntimeError("the database is locked")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept.get, "key", fail)
        begun.wait(30)
        second = pool.submit(kept.get, "key", lambda: "never asked")
        go.set()
        with pytest.raises(RuntimeError, match="locked"):
            first.result(30)
        # The second either waited for the failure, or came after it and made its own.
        error = second.exception(30)
        assert error is None or "locked" in str(error)
    assert kept.get("key", lambda: "made anew") in {"made anew", "never asked"}


def test_the_one_that_was_asked_for_longest_ago_goes() -> None:
    kept: KeptSamples[int] = KeptSamples(2)
    assert [kept.get(key, lambda key=key: key) for key in (1, 2)] == [1, 2]  # type: ignore[misc]
    assert kept.get(1, lambda: -1) == 1
    assert kept.get(3, lambda: 3) == 3
    assert len(kept) == 2
    assert kept.get(1, lambda: -1) == 1
    assert kept.get(2, lambda: -2) == -2


def test_many_threads_and_keys_end_in_the_right_values() -> None:
    kept: KeptSamples[int] = KeptSamples(3)

    def ask(number: int) -> bool:
        key = number % 7
        return kept.get(key, lambda: key * 10) == key * 10

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(2_000)))
    assert len(kept) <= 3


def test_the_ledger_may_grow_by_a_hundredth_before_the_key_changes() -> None:
    for entries in (0, 1, 255, 256, 1_000, 54_321, 10**6, 10**9):
        assert rounded(entries) <= entries
        assert entries - rounded(entries) <= entries / 100
    assert rounded(1_000_000) == rounded(1_000_400)
