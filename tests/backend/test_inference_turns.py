"""Batches are worked on one after the other, and only so many may wait."""

from __future__ import annotations

import threading

import pytest

from backend.inferences.turns import BusyError, Turns

PATIENCE_S = 30.0


def test_one_has_the_turn_and_one_waits_and_no_third_comes_in() -> None:
    turns = Turns(waiting=1)
    happened: list[str] = []
    refused = threading.Event()

    def come() -> None:
        try:
            with turns.taken():
                happened.append("had its turn")
        except BusyError:
            happened.append("refused")
            refused.set()

    others = [threading.Thread(target=come) for _ in range(2)]
    with turns.taken():
        for other in others:
            other.start()
        assert refused.wait(PATIENCE_S)
        assert happened == ["refused"]
    for other in others:
        other.join(PATIENCE_S)
    assert happened == ["refused", "had its turn"]


def test_who_fails_gives_the_turn_back() -> None:
    turns = Turns(waiting=0)
    with pytest.raises(ZeroDivisionError), turns.taken():
        raise ZeroDivisionError
    with turns.taken():
        pass
