"""Rules of automation in the file: their names, their patterns, the labels that they can give."""

from __future__ import annotations

from typing import Any

import pytest

from policies.loading import PolicyError, dump_policy, parse_policy
from tests.fakes.policy_documents import make_policy

HEAD = """\
project: 1
stakes: low
tiers: [{name: general, reviewers: [a@x.org], cost_per_label: 1, daily_capacity: 1}]
auto_accept: {max_error_rate: 0.05, confidence: 0.95}
automation:
"""


@pytest.mark.parametrize(
    ("rules", "messages"),
    [
        (
            "  - {kind: exact_duplicate}\n  - {kind: exact_duplicate}\n",
            [
                (
                    "p.yaml:7  automation[1].name = 'exact_duplicate'  is the name of "
                    "automation[0].name too: each is certified on its own (a rule without a name "
                    "is named by its kind: give each of them a name)"
                )
            ],
        ),
        (
            "  - {kind: exact_duplicate, name: Model}\n",
            [
                (
                    "p.yaml:6  automation[0].name = 'Model'  is reserved: so the model's own "
                    "answers are named (take another name)"
                )
            ],
        ),
        (
            "  - {kind: boilerplate, regex: '(a+)+b', label: x}\n",
            [
                (
                    "p.yaml:6  automation[0].regex = '(a+)+b'  repeats a group that itself repeats "
                    "or chooses, which can take for ever"
                )
            ],
        ),
        (
            "  - {kind: near_duplicate, similarity: 0.3}\n",
            ["p.yaml:6  automation[0].similarity = 0.3  must be between 0.5 and 1"],
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(rules: str, messages: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(HEAD + rules, "p.yaml")
    assert str(caught.value).split("\n") == messages


RULES: list[dict[str, Any]] = [
    {"kind": "exact_duplicate"},
    {"kind": "near_duplicate", "name": "twins", "similarity": 0.8},
    {"kind": "language", "labels": {"de": "German", "en": "English"}, "field": "body"},
    {"kind": "format", "labels": {"e-mail": "address", "url": "address"}},
    {"kind": "boilerplate", "regex": "^Out of office", "label": "absent"},
]


def test_a_rule_without_a_name_is_named_by_its_kind_and_survives_a_dump() -> None:
    policy = make_policy(automation=RULES)
    names = [rule.name for rule in policy.automation]
    assert names == ["exact_duplicate", "twins", "language", "format", "boilerplate"]
    assert parse_policy(dump_policy(policy)) == policy


def test_each_rule_can_give_the_labels_that_it_names_and_a_twin_any() -> None:
    assert make_policy(automation=RULES).says(["A", "B"]) == {
        "model": ("A", "B"),
        "exact_duplicate": ("A", "B"),
        "twins": ("A", "B"),
        "language": ("German", "English"),
        "format": ("address",),
        "boilerplate": ("absent",),
    }
