"""Values of a request: what they mean in the file, and every wrong one explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import policies as policies_package
from backend.what_if.values import Chosen, chosen
from policies.loading import load_policy
from policies.promises import AutoAccept
from tests.fakes.policy_documents import make_policy

PROMISE = {"max_error_rate": 0.03, "confidence": 0.95, "cost_of_error": 5.0}
POLICY = make_policy(auto_accept=PROMISE)
NEVER = make_policy(auto_accept="never")
PREFERENCE = load_policy(Path(policies_package.__path__[0]) / "presets" / "preference.yaml")


def asked(policy: Any = POLICY, **values: str) -> Chosen:
    return chosen(policy, {name: [value] for name, value in values.items()})


def test_nothing_asked_is_the_policy_itself() -> None:
    found = asked()
    assert (found.changes, found.wrong, found.policy) == ({}, (), POLICY)
    assert found.entered["max_error_percent"] == "3"
    assert found.query == {}


def test_the_policys_own_values_change_nothing() -> None:
    found = asked(max_error_percent="3.0", capacity_0="100", audit_percent=" 5 ", cost_of_error="")
    assert (found.changes, found.policy) == ({}, POLICY)


def test_percent_becomes_a_share_without_a_stray_digit() -> None:
    found = asked(max_error_percent="0.7", confidence_percent="99.9", capacity_1="250")
    assert found.changes == {
        ("auto_accept", "max_error_rate"): 0.007,
        ("auto_accept", "confidence"): 0.999,
        ("tiers", 1, "daily_capacity"): 250,
    }
    assert found.policy is not None
    assert found.policy.tiers[1].daily_capacity == 250
    assert found.query == {
        "max_error_percent": "0.7",
        "confidence_percent": "99.9",
        "capacity_1": "250",
    }
    again = chosen(POLICY, {name: [value] for name, value in found.query.items()})
    assert again.policy == found.policy


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("max_error_percent", "abc", "is 'abc', which is not a number of percent: such as 3"),
        ("max_error_percent", "nan", "not a number"),
        ("max_error_percent", "inf", "not a number"),
        ("max_error_percent", "1e400", "not a number"),
        ("max_error_percent", "9" * 5_000, "not a number"),
        ("max_error_percent", "\u0663", "not a number"),
        ("max_error_percent", "0", "must be above 0 and below 0.5"),
        ("max_error_percent", "-2", "must be above 0 and below 0.5"),
        ("max_error_percent", "50", "must be above 0 and below 0.5"),
        ("confidence_percent", "50", "must be above 0.5 and below 1"),
        ("confidence_percent", "100", "must be above 0.5 and below 1"),
        ("cost_of_error", "-1", "must be at least 0"),
        ("audit_percent", "0.5", "audit floor of 0.01"),
        ("audit_percent", "101", "must be between 0 and 1"),
        ("control_percent", "4", "must be between 0.05 and 0.5"),
        ("control_percent", "51", "must be between 0.05 and 0.5"),
        ("capacity_0", "0", "must be at least 1"),
        ("capacity_0", "1.5", "not a whole number of labels a day"),
        ("capacity_7", "10", "no value of this page"),
        ("max_eror_percent", "2", "did you mean 'max_error_percent'?"),
        ("accept", "on", "the policy accepts already"),
        ("<script>", "1", "no value of this page"),
    ],
)
def test_every_wrong_value_is_explained(name: str, value: str, told: str) -> None:
    found = asked(**{name: value})
    assert found.policy is None
    assert len({each.name for each in found.wrong}) == 1
    assert told in found.wrong[0].message
    assert len(found.wrong[0].message) < 300
    known = {each.name for each in found.sliders}
    assert found.wrong[0].name == (name if name in known | {"accept"} else "")


def test_all_wrong_values_are_told_at_once() -> None:
    found = asked(max_error_percent="70", audit_percent="0", capacity_0="0")
    assert {each.name for each in found.wrong} == {
        "max_error_percent",
        "audit_percent",
        "capacity_0",
    }
    assert found.entered["max_error_percent"] == "70"


def test_a_value_given_twice_is_refused() -> None:
    found = chosen(POLICY, {"max_error_percent": ["2", "3"]})
    assert "more than once" in found.wrong[0].message


def test_a_policy_that_accepts_nothing_has_no_promise_to_move() -> None:
    assert [each.name for each in asked(NEVER).sliders] == [
        "control_percent",
        "capacity_0",
        "capacity_1",
    ]
    found = asked(NEVER, max_error_percent="2")
    assert "accept=on" in found.wrong[0].message


def test_a_promise_can_be_tried() -> None:
    found = asked(NEVER, accept="on")
    assert found.policy is not None
    rule = found.policy.auto_accept
    assert isinstance(rule, AutoAccept)
    assert (rule.max_error_rate, rule.confidence, rule.cost_of_error) == (0.02, 0.95, None)
    assert found.query == {
        "max_error_percent": "2",
        "confidence_percent": "95",
        "audit_percent": "5",
        "control_percent": "10",
        "capacity_0": "100",
        "capacity_1": "20",
        "accept": "on",
    }
    dearer = asked(NEVER, accept="on", max_error_percent="1", cost_of_error="7")
    assert dearer.policy is not None
    assert isinstance(dearer.policy.auto_accept, AutoAccept)
    assert dearer.policy.auto_accept.cost_of_error == 7.0
    assert "neither left out nor 'on'" in asked(NEVER, accept="off").wrong[0].message


def test_of_preferences_nothing_is_ever_accepted() -> None:
    found = asked(PREFERENCE, accept="on")
    assert found.wrong[0].name == "accept"
    assert "accept=on" not in found.wrong[0].message
    assert not found.opened
