"""Which lines of a policy decided, and how a decision reads in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.decision_words import draw_words, headline
from policies.domain import Outcome, Purpose
from policies.rule_lines import RuleLines, rule_lines
from tests.fakes.decisions import ACCEPTED

POLICY = """\
project: Mail
stakes: low
tiers:
  - name: general
    reviewers: [a@x.org]
    cost_per_label: 0.1
    daily_capacity: 100

# What never waits.
routes:
  - kind: score
    below: 0.2
    tier: general
  - {kind: predicted_label, in: [spam], tier: general}

auto_accept:
  max_error_rate: 0.02
  confidence: 0.95
  never: [fraud]

# The end.
"""


@pytest.mark.parametrize(
    ("rule", "purpose", "lines"),
    [
        ("routes[0]", Purpose.ROUTED, [("routes[0]", 11, 13)]),
        ("routes[1]", Purpose.ROUTED, [("routes[1]", 14, 14)]),
        ("routes[7]", Purpose.ROUTED, [("routes[7]", None, None)]),
        ("auto_accept", Purpose.ROUTED, [("auto_accept", 16, 19)]),
        ("auto_accept", Purpose.AUDIT, [("auto_accept", 16, 19), ("audit", None, None)]),
        ("never_label", Purpose.ROUTED, [("auto_accept.never", 19, 19)]),
        ("control", Purpose.CONTROL, [("control", None, None)]),
        ("no_model", Purpose.ROUTED, [("tiers[0]", 4, 7)]),
        ("a rule of the future", Purpose.ROUTED, []),
    ],
)
def test_a_rule_is_found_in_the_file(
    rule: str, purpose: Purpose, lines: list[tuple[str, int | None, int | None]]
) -> None:
    decision = replace(ACCEPTED, rule=rule, purpose=purpose)
    expected = [RuleLines(key=key, first=first, last=last) for key, first, last in lines]
    assert list(rule_lines(POLICY, decision)) == expected


def test_a_text_that_is_no_policy_has_no_lines() -> None:
    assert rule_lines("no: [yaml", ACCEPTED) == ()


def test_headlines_say_who_looks_and_how() -> None:
    sent = replace(ACCEPTED, outcome=Outcome.REVIEW, tier="general")
    audited = replace(ACCEPTED, purpose=Purpose.AUDIT, tier="senior")
    assert headline(audited, "spam").startswith("Would be accepted as “spam”, but was drawn")
    assert headline(sent, "spam") == "Sent to general, who sees the model's answer"
    for purpose in set(Purpose) - {Purpose.ROUTED, Purpose.AUDIT}:
        assert headline(replace(sent, purpose=purpose), None).startswith("Sent to general ")
    escalated = replace(sent, rule="escalation")
    assert headline(escalated, None) == "Handed up to general, who settles what others answered"
    assert headline(replace(ACCEPTED, label=None), None).endswith("without a label")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "a chance of 5.0% of an audit, and was not drawn"),
        ({"inclusion_probability": 1.0}, "every such task comes here"),
        (
            {"outcome": Outcome.REVIEW, "tier": "general", "inclusion_probability": 0.9},
            "10.0% of several readers",
        ),
        (
            {"purpose": Purpose.AUDIT, "draw": 0.0123, "inclusion_probability": 0.05},
            "drew 0.0123, which is below 0.0500",
        ),
        (
            {"purpose": Purpose.CONTROL, "inclusion_probability": 0.1},
            "The lowest 10.0% of all draws are the control slice",
        ),
        ({"purpose": Purpose.HOLDOUT, "inclusion_probability": 0.1}, "The highest 10.0%"),
        ({"purpose": Purpose.AGREEMENT, "inclusion_probability": 0.2}, "20.0% of being read by"),
        ({"purpose": Purpose.MONITORING, "inclusion_probability": 0.3}, "30.0% of being verified"),
        ({"rule": "recall", "purpose": Purpose.RECALL}, "Nothing was drawn"),
    ],
)
def test_the_draw_is_told_with_its_chance(changes: dict[str, object], says: str) -> None:
    assert says in draw_words(replace(ACCEPTED, **changes))  # type: ignore[arg-type]  # any field
