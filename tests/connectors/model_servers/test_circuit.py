"""When a server that failed is asked again."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from connectors.model_servers.circuit import (
    CLOSED,
    FAILURES_TO_OPEN,
    PAUSE_S,
    Circuit,
    admitted,
    failed,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert circuit.closed_for() is None
        circuit.failed("answered 503")
    return circuit


def test_it_opens_after_failures_in_a_row_and_says_why() -> None:
    circuit = opened(Clock())
    assert circuit.closed_for() == (
        "is not asked for now, after 3 failures in a row; the last one: answered 503"
    )


def test_a_success_between_them_starts_the_count_anew() -> None:
    circuit = Circuit(Clock())
    for _ in range(10):
        circuit.failed("x")
        circuit.succeeded()
    circuit.failed("x")
    assert circuit.closed_for() is None


def test_after_the_pause_one_try_is_let_in_and_its_success_closes() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += PAUSE_S
    assert circuit.closed_for() is None
    assert circuit.closed_for() is not None
    circuit.succeeded()
    assert circuit.state == CLOSED
    assert circuit.closed_for() is None


def test_a_failed_try_keeps_it_open_for_another_pause() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += PAUSE_S
    assert circuit.closed_for() is None
    circuit.failed("did not answer within 1 s")
    clock.now += PAUSE_S - 1
    assert circuit.closed_for() is not None
    clock.now += 1
    assert circuit.closed_for() is None


def test_a_try_whose_asker_died_is_no_try_for_ever() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += PAUSE_S
    assert circuit.closed_for() is None  # and no word of it
    clock.now += PAUSE_S
    assert circuit.closed_for() is None


@given(st.lists(st.sampled_from(["ask", "fail", "succeed", "wait"]), max_size=60))
def test_while_open_at_most_one_try_a_pause_is_let_in(steps: list[str]) -> None:
    state, now, last_try = CLOSED, 0.0, None
    for step in steps:
        if step == "wait":
            now += PAUSE_S / 3
        elif step == "fail":
            state, last_try = failed(state, now, "x"), None
        elif step == "succeed":
            state = CLOSED
        else:
            was_open = state.opened_at is not None
            may, state = admitted(state, now)
            assert may or was_open
            if was_open and may:
                assert last_try is None or now - last_try >= PAUSE_S
                last_try = now
        assert (state.opened_at is not None) == (state.failures >= FAILURES_TO_OPEN)


def test_of_many_threads_one_is_let_in_to_try() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += PAUSE_S
    start, may = threading.Barrier(8), list[bool]()

    def ask() -> None:
        start.wait(10)
        may.append(circuit.closed_for() is None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(may) == [False] * 7 + [True]
