from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend import passwords
from backend.passwords import EFFORT, LEAST, MOST, Effort, is_right, kept, problem_of
from tests.fakes.visitors import quick_passwords

__all__ = ["quick_passwords"]
quick = pytest.mark.usefixtures("quick_passwords")


def test_the_effort_is_one_that_owasp_names() -> None:
    assert (2**EFFORT.log2_n, EFFORT.r, EFFORT.p) == (2**15, 8, 3)
    stored = kept("nine green bottles")
    assert stored.startswith("scrypt$15$8$3$")
    assert is_right(stored, "nine green bottles")


@quick
def test_only_the_password_is_right() -> None:
    stored = kept("pässword and more")
    assert is_right(stored, "pässword and more")
    for wrong in ("", "password and more", "pässword and more ", "PÄSSWORD AND MORE", "\udcff"):
        assert not is_right(stored, wrong)


@quick
def test_an_accent_may_be_typed_either_way() -> None:
    assert is_right(kept("caf\u00e9 et th\u00e9"), "cafe\u0301 et the\u0301")


@quick
def test_the_same_password_is_kept_differently_each_time() -> None:
    first, second = kept("nine green bottles"), kept("nine green bottles")
    assert first != second
    assert "bottles" not in first


@quick
def test_what_was_kept_under_another_effort_is_still_right(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = kept("nine green bottles")
    monkeypatch.setattr(passwords, "EFFORT", Effort(log2_n=5, r=4, p=2))
    assert is_right(stored, "nine green bottles")
    assert not is_right(stored, "ten green bottles")


@pytest.mark.parametrize(
    "stored", [None, "", "scrypt", "scrypt$a$8$1$AA==$AA==", "bcrypt$x", "scrypt$4$8$1$?$A"]
)
@quick
def test_nothing_is_right_where_nothing_readable_was_kept(stored: str | None) -> None:
    for given in ("", "nine green bottles", "\0" * 32):
        assert not is_right(stored, given)


@quick
def test_a_key_is_derived_once_with_the_same_effort_whatever_was_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = kept("nine green bottles")
    asked: list[tuple[int, ...]] = []
    derive = hashlib.scrypt

    def counted(password: bytes, **how: Any) -> bytes:
        asked.append((how["n"], how["r"], how["p"], how["dklen"], len(how["salt"])))
        return derive(password, **how)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    for known in (stored, None):
        for given in ("nine green bottles", "wrong", "", "x" * 10_000):
            is_right(known, given)
    assert asked == [(16, 8, 1, 32, 16)] * 8


@quick
def test_keys_are_derived_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []
    both = threading.Barrier(2)
    derive = hashlib.scrypt

    def watched(password: bytes, **how: Any) -> bytes:
        try:
            met.append(both.wait(timeout=0.3))
        except threading.BrokenBarrierError:  # nobody else derives meanwhile
            both.reset()
        return derive(password, **how)

    monkeypatch.setattr(hashlib, "scrypt", watched)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(is_right, [None, None], ["one", "two"])) == [False, False]
    assert met == []


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("", "12 to 1,000 characters, this one 0"),
        ("x" * (LEAST - 1), "this one 11"),
        ("ab" * MOST, "this one 2,000"),
        ("two\nlines are too many", "line breaks"),
        ("aaaaaaaaaaaaaaaa", "same few characters"),
        ("Somebody.Else", "neither the name"),
    ],
)
def test_a_password_that_says_nothing_is_refused(password: str, says: str) -> None:
    assert says in (problem_of("somebody.else", password) or "")


@quick
def test_a_long_one_is_taken_as_it_is() -> None:
    for password in ("nine green bottles", "пароль из слов", "1234567890ab" * 83):
        assert problem_of("ann", password) is None
        assert is_right(kept(password), password)
    longest = "abcdefghij" * 100
    assert is_right(kept(longest), longest)
    assert not is_right(kept(longest), longest + "k")
