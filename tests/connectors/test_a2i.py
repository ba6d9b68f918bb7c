"""A2I conditions as a policy: word for word, never fewer reviews, and clear about mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from backend.commands.imports import imports
from connectors.a2i import policy_from_conditions
from policies.domain import Candidates
from policies.engine import decide
from policies.loading import PolicyError, parse_policy
from policies.schema import Policy

GOLDEN = Path(__file__).parent / "a2i"
MODERATION = "ModerationLabelConfidenceCheck"


def moderation(name: str, **limits: float) -> dict[str, Any]:
    return {
        "ConditionType": MODERATION,
        "ConditionParameters": {"ModerationLabelName": name, **limits},
    }


def sampling(percentage: Any) -> dict[str, Any]:
    parameters = {"RandomSamplingPercentage": percentage}
    return {"ConditionType": "Sampling", "ConditionParameters": parameters}


def imported(*conditions: Any) -> str:
    return policy_from_conditions(json.dumps({"Conditions": conditions}).encode(), "x.json")


def routes_of(*conditions: Any) -> list[dict[str, Any]]:
    policy = parse_policy(imported(*conditions))
    return [route.model_dump(by_alias=True, exclude_none=True) for route in policy.routes]


def refused(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        policy_from_conditions(text.encode(), "x.json")
    return str(caught.value)


def test_word_for_word() -> None:
    result = CliRunner().invoke(imports, ["a2i", str(GOLDEN / "conditions.json")])
    assert result.exit_code == 0, result.output
    assert result.stdout == (GOLDEN / "conditions.yaml").read_text(encoding="utf-8")
    assert len(parse_policy(result.stdout).routes) == 6


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"ConfidenceLessThan": 60}, [{"kind": "score", "below": 0.6}]),
        (
            {"ConfidenceLessThanEquals": 7},
            [{"kind": "not", "not": {"kind": "score", "above": 0.07}}],
        ),
        (
            {"ConfidenceLessThanOrEqual": 7},
            [{"kind": "not", "not": {"kind": "score", "above": 0.07}}],
        ),
        ({"ConfidenceGreaterThan": 50}, [{"kind": "score", "above": 0.5}]),
        (
            {"ConfidenceGreaterThanEquals": 50},
            [{"kind": "not", "not": {"kind": "score", "below": 0.5}}],
        ),
        (
            {"ConfidenceEquals": 50},
            [
                {"kind": "not", "not": {"kind": "score", "above": 0.5}},
                {"kind": "not", "not": {"kind": "score", "below": 0.5}},
            ],
        ),
    ],
)
def test_comparisons(limits: dict[str, float], expected: list[dict[str, Any]]) -> None:
    named = {"kind": "predicted_label", "in": ("X",)}
    (route,) = routes_of(moderation("X", **limits))
    assert list(route["all"]) == [named, *expected]
    assert route["tier"] == "general"


def test_sampling() -> None:
    (route,) = routes_of(sampling(0.01))
    assert route == {"kind": "random_share", "share": 0.0001, "tier": "general"}


def test_what_a_policy_may_not_say_takes_more() -> None:
    (route,) = routes_of(moderation("X", ConfidenceGreaterThan=98))
    assert route == {"kind": "predicted_label", "in": ("X",), "tier": "general"}
    text = imported(moderation("*", ConfidenceGreaterThan=98))
    assert parse_policy(text).routes == ()
    assert "NO EQUAL: no route. With auto_accept: never, people see all tasks." in text


def test_a_type_that_nobody_knows_is_named() -> None:
    text = imported({"ConditionType": "New\nthing", "ConditionParameters": {"a\nb": "c\u2028d"}})
    assert '# NO EQUAL for "New\\nthing": not a known type. Left out.' in text
    assert '# "New\\nthing": "a\\nb" "c\\U00002028d"' in text
    assert parse_policy(text).routes == ()


def test_an_or_that_loses_a_part_is_not_narrowed() -> None:
    missing = {
        "ConditionType": "MissingImportantFormKey",
        "ConditionParameters": {"ImportantFormKey": "Name"},
    }
    low = moderation("X", ConfidenceLessThan=60)
    (route,) = routes_of({"And": [{"Or": [missing, sampling(5)]}, low]})
    assert route == routes_of(low)[0]
    assert routes_of({"And": [{"Not": missing}, low]}) == routes_of(low)


@pytest.mark.parametrize("name", ["010", "yes", "a: b # c", "ünïcode 🙂", 'q"\\', "a\u2028b\x85"])
def test_labels_come_through(name: str) -> None:
    (route,) = routes_of(moderation(name))
    assert route["in"] == (name,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.json:1  is not JSON: Expecting value"),
        ('{"Conditions": [\n{"a": 1,]}', "x.json:2  is not JSON: "),
        ('{"Conditions": NaN}', "x.json  is not JSON: NaN is no number of JSON"),
        ('{"a": 1, "a": 2}', "x.json  is not JSON: the key 'a' stands twice in one object"),
        ("[]", "x.json:1  Conditions  is missing (give the value of HumanLoopActivationConditions"),
        ('{"Conditions": {}}', "x.json:1  Conditions  must be a list of at least one condition"),
        ('{"Conditions": []}', "x.json:1  Conditions  must be a list of at least one condition"),
        ('{"Conditions": [3]}', "x.json:1  Conditions[0] = 3  must be a condition: an object"),
        (
            '{"Conditions": [\n\n{}]}',
            "x.json:3  Conditions[0]  needs one of ConditionType, And, Or, Not, and has none",
        ),
        ("[" * 21, "x.json:1  is nested deeper than 20 levels"),
        (" " * 100_001, "x.json  is larger than 100 kB (Amazon takes at most 10 kB)"),
        ('{"\\ud800": 1}', "x.json  is not JSON: the key '\\ud800' holds half of a character"),
    ],
)
def test_bad_json(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_every_mistake_at_once() -> None:
    text = """{"Conditions": [
      {"ConditionType": "Sampling", "ConditionParameters": {"RandomSamplingPercentag": 5}},
      {"ConditionType": "ModerationLabelConfidenceCheck",
       "ConditionParameters": {"ModerationLabelName": "", "ConfidenceLessThan": 101}},
      {"And": [{"ConditionType": 3}], "Or": []},
      {"Nott": {"ConditionType": "Sampling"}}
    ]}"""
    inside = "Conditions[0].ConditionParameters"
    second = "Conditions[1].ConditionParameters"
    assert refused(text).splitlines() == [
        f"x.json:2  {inside}.RandomSamplingPercentage  is missing: Sampling needs it",
        (
            f"x.json:2  {inside}.RandomSamplingPercentag  is not a known parameter "
            "(did you mean 'RandomSamplingPercentage'?)"
        ),
        f"x.json:3  {second}.ModerationLabelName = ''  must be a text that is not empty",
        (
            f"x.json:3  {second}.ConfidenceLessThan = 101  "
            "must be a number from 0 to 100: a percentage"
        ),
        "x.json:5  Conditions[2]  needs one of ConditionType, And, Or, Not, and has And and Or",
        "x.json:6  Conditions[3].Nott  is not a known key (did you mean 'Not'?)",
        "x.json:6  Conditions[3]  needs one of ConditionType, And, Or, Not, and has none",
    ]


@pytest.mark.parametrize("value", [True, "5", None, -1, 10**400, [1]])
def test_percentages(value: Any) -> None:
    assert "must be a number from 0 to 100: a percentage" in refused(
        json.dumps({"Conditions": [sampling(value)]})
    )


def test_a_file_that_is_not_there() -> None:
    result = CliRunner().invoke(imports, ["a2i", "none.json"])
    assert result.exit_code == 1
    assert result.stderr == "Error: none.json  cannot be read: No such file or directory\n"


_NAMES = st.sampled_from(["X", "Y", "*"])
_LIMITS = st.dictionaries(
    st.sampled_from(["Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]),
    st.sampled_from([0, 40, 50, 90, 100]),
    max_size=2,
)
_CHECKS = st.builds(
    lambda name, limits: moderation(name, **{f"Confidence{key}": v for key, v in limits.items()}),
    _NAMES,
    _LIMITS,
)
_CONDITIONS = st.recursive(
    _CHECKS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"And": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"Or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"Not": inner}),
    ),
    max_leaves=5,
)
_TESTS = {
    "Equals": lambda score, limit: score == limit,
    "LessThan": lambda score, limit: score < limit,
    "LessThanEquals": lambda score, limit: score <= limit,
    "GreaterThan": lambda score, limit: score > limit,
    "GreaterThanEquals": lambda score, limit: score >= limit,
}


def starts_a_loop(condition: dict[str, Any], label: str, confidence: int) -> bool:
    """What Amazon's guide says of one detected label."""
    if "And" in condition:
        return all(starts_a_loop(part, label, confidence) for part in condition["And"])
    if "Or" in condition:
        return any(starts_a_loop(part, label, confidence) for part in condition["Or"])
    if "Not" in condition:
        return not starts_a_loop(condition["Not"], label, confidence)
    given_ = dict(condition["ConditionParameters"])
    name = given_.pop("ModerationLabelName")
    return name in ("*", label) and all(
        _TESTS[key.removeprefix("Confidence")](confidence, limit) for key, limit in given_.items()
    )


def routed(policy: Policy, label: str, confidence: int) -> bool:
    """Whether a route takes it; of many ids, so that one is in no slice."""
    n = 40
    labels = np.full(n, label, object)
    decisions = decide(
        policy,
        Candidates(
            task_ids=np.arange(n),
            labels=labels,
            scores=np.full(n, confidence / 100),
            problems=np.full(n, None, object),
            fields={},
        ),
    )
    return any(rule.startswith("routes[") for rule in decisions.rules)


@given(_CONDITIONS)
def test_what_started_a_human_loop_goes_to_people(condition: dict[str, Any]) -> None:
    text = imported(condition)
    policy = parse_policy(text)
    for label in ("X", "Y"):
        for confidence in (0, 40, 45, 50, 90, 95, 100):
            if starts_a_loop(condition, label, confidence) and "NO EQUAL" not in text:
                assert routed(policy, label, confidence), (label, confidence, text)


def test_as_json_it_is_the_same_policy_with_its_comments() -> None:
    result = CliRunner().invoke(imports, ["a2i", str(GOLDEN / "conditions.json"), "--json"])
    found = json.loads(result.output)
    golden = (GOLDEN / "conditions.yaml").read_text("utf-8")
    assert parse_policy(golden) == parse_policy(yaml.safe_dump(found["policy"]))
    for comment in found["comments"]:
        assert f"# {comment}".rstrip() in golden
    assert any("NO EQUAL" in comment for comment in found["comments"])
