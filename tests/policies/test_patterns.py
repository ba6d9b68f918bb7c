from __future__ import annotations

import time

import pytest

from policies.patterns import SEARCHED, occurs, problem_of


@pytest.mark.parametrize(
    "pattern",
    [
        "refund|chargeback",
        "(?i)refund",
        "^INV-[0-9]{6}$",
        r"\bcafé\b",
        r"(?:de|fr|it)-[A-Z]+",
        "(ab)+c",
        r"[(*+\]]+",
        r"\(a+\)+",
        "a.*b",
        "(?P<year>[0-9]{4})-[0-9]{1,2}",
    ],
)
def test_patterns_that_a_policy_may_hold(pattern: str) -> None:
    assert problem_of(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "is no regular expression: missing ), unterminated subpattern at position 0"),
        ("[[a]]", "is no regular expression: Possible nested set at position 1"),
        ("a{99999999999}", "is no regular expression: the repetition number is too large"),
        ("a" * 201, "has 201 characters: a pattern may have 200"),
        ("(a+)+b", "repeats a group that itself repeats or chooses, which can take for ever"),
        ("(a|a)*b", "repeats a group that itself repeats or chooses, which can take for ever"),
        ("((a?)){40}", "repeats a group that itself repeats or chooses, which can take for ever"),
        (r"(a)\1", "refers back to a group, which can take for ever"),
        ("(?i)(a+)+b", "repeats a group that itself repeats or chooses, which can take for ever"),
        ("(?=a)b", "has a special group: (...), (?:...) and (?P<name>...) are allowed"),
        (
            ".*a.*b.*c",
            "can match in too many ways: two open repeats (*, +) at most, and few choices",
        ),
        (
            "a?" * 30 + "a" * 30,
            "can match in too many ways: two open repeats (*, +) at most, and few choices",
        ),
        (
            "(a|a)" * 30,
            "can match in too many ways: two open repeats (*, +) at most, and few choices",
        ),
    ],
)
def test_patterns_that_a_policy_may_not_hold(pattern: str, problem: str) -> None:
    assert problem_of(pattern) == problem


@pytest.mark.parametrize("pattern", ["a*a*b", "[ab]?[ab]*.*[cd]", "a+.*b", "(a|aa)(a|aa)a*c"])
def test_the_slowest_pattern_on_the_worst_text_takes_a_moment(pattern: str) -> None:
    assert problem_of(pattern) is None
    start = time.process_time()
    assert not occurs(pattern, "a" * 10 * SEARCHED)
    assert time.process_time() - start < 10
