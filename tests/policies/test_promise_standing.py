"""The promise in a word: held, broken, not yet known, nothing promised."""

from __future__ import annotations

import doctest

import pytest

from policies import promise_standing
from policies.claims import BROKEN, HOLDS
from policies.promise_standing import AuditsSay, Kept
from policies.promise_words import certainty, promised_rate
from policies.promises import AutoAccept, LabelPromise

RULE = AutoAccept(max_error_rate=0.05, confidence=0.95)


def audits(
    low: float, high: float, *, decided: str | None = None, promised: float = 0.05, n: int = 200
) -> AuditsSay:
    return AuditsSay(
        max_error_rate=promised,
        audits=n,
        errors=round(n * (low + high) / 2),
        value=(low + high) / 2,
        low=low,
        high=high,
        needed=max(n, 300),
        decided=decided,
    )


def test_the_example_in_the_text_is_right() -> None:
    found = doctest.testmod(promise_standing)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("said", "suspended", "kept"),
    [
        (None, 0, Kept.UNKNOWN),
        (audits(0.0, 1.0, n=0), 0, Kept.UNKNOWN),
        (audits(0.01, 0.2), 0, Kept.UNKNOWN),
        (audits(0.01, 0.05), 0, Kept.HELD),
        (audits(0.01, 0.03, decided=HOLDS), 0, Kept.HELD),
        (audits(0.051, 0.2), 0, Kept.BROKEN),
        (audits(0.03, 0.2, decided=BROKEN), 0, Kept.BROKEN),
        (audits(0.03, 0.2, decided=BROKEN, promised=0.01), 0, Kept.UNKNOWN),  # another promise
        (audits(0.01, 0.03), 1, Kept.BROKEN),
        (None, 2, Kept.BROKEN),
    ],
)
def test_it_is_what_the_audits_and_the_breaker_say(
    said: AuditsSay | None, suspended: int, kept: Kept
) -> None:
    standing = promise_standing.promise_standing(RULE, said, suspended)
    assert standing.kept is kept
    assert ("the breaker has tripped" in standing.shown) == bool(suspended)
    assert ("more without an error" in standing.shown) == (
        kept is Kept.UNKNOWN and said is not None and said.audits > 0
    )


def test_without_a_rule_nothing_is_promised() -> None:
    standing = promise_standing.promise_standing(None, audits(0.1, 0.2), 0)
    assert (standing.kept, standing.shown) == (Kept.NOTHING, "")
    assert standing.promised == "a person confirms every label"


def test_labels_with_a_promise_of_their_own_are_counted() -> None:
    own = {"spam": LabelPromise(max_error_rate=0.01), "ham": LabelPromise(confidence=0.99)}
    rule = AutoAccept(max_error_rate=0.05, confidence=0.95, labels=own)
    assert promise_standing.promise_standing(rule, None, 0).promised.endswith(
        "; 1 label has its own"
    )


def test_a_very_small_promise_does_not_read_as_none_and_a_very_sure_one_not_as_certain() -> None:
    rule = AutoAccept(max_error_rate=0.0004, confidence=0.9999)
    standing = promise_standing.promise_standing(rule, None, 0)
    assert standing.promised == "at most 0.04 % of accepted labels are wrong, 99.99 % sure"
    assert promised_rate(0.0125) == "1.25%"
    assert certainty(0.99996) == "99.996%"
