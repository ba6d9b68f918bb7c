from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from backend.web.attempts import BY_ADDRESS, BY_NAME, Attempts
from backend.web.recent_failures import MOST_KEYS, WINDOW
from tests.fakes.web_project import Clock


def test_a_name_is_tried_so_often_and_then_after_a_while_again() -> None:
    clock = Clock()
    tries = Attempts(clock)
    for _ in range(BY_NAME):
        assert tries.begin("ann", "10.0.0.1") is None
        clock.forward(1)
    wait_s = tries.begin("ann", "10.0.0.2")
    assert wait_s == WINDOW.total_seconds() - BY_NAME
    assert tries.begin("bob", "10.0.0.2") is None
    clock.forward(wait_s - 1)
    assert tries.begin("ann", "10.0.0.2") == 1
    clock.forward(1)
    assert tries.begin("ann", "10.0.0.2") is None
    assert tries.begin("ann", "10.0.0.2") == 1  # the second attempt was a second later


def test_an_address_tries_so_many_names_and_tokens() -> None:
    tries = Attempts(Clock())
    for each in range(BY_ADDRESS - 1):
        assert tries.begin(f"name {each}", "10.0.0.1") is None
    assert tries.begin(None, "10.0.0.1") is None
    assert tries.begin(None, "10.0.0.1") == WINDOW.total_seconds()
    assert tries.begin("somebody else", "10.0.0.1") == WINDOW.total_seconds()
    assert tries.begin(None, "10.0.0.2") is None


def test_who_is_right_starts_afresh_and_does_not_count_against_the_address() -> None:
    tries = Attempts(Clock())
    for each in range(3 * BY_ADDRESS):
        assert tries.begin("ann", "10.0.0.1") is None, each
        tries.succeeded("ann", "10.0.0.1")
    tries.succeeded(None, "nobody ever came from here")


def test_many_at_once_are_counted_before_they_are_looked_at() -> None:
    tries = Attempts(Clock())
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: tries.begin("ann", "10.0.0.1"), range(200)))
    assert answers.count(None) == BY_NAME


def test_what_is_kept_in_memory_is_bounded() -> None:
    tries = Attempts(Clock())
    for each in range(MOST_KEYS + 100):
        tries.begin(f"name {each}", f"address {each}")
    assert len(tries._failures) == MOST_KEYS
