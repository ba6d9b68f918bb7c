from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import policies as policies_package
from policies.domain import Stakes
from policies.loading import PolicyError, dump_policy, load_policy, parse_policy, policy_hash
from policies.promises import AutoAccept
from policies.conditions import TaskField
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy, policies, policy_document

PRESETS = Path(policies_package.__path__[0]) / "presets"


@given(policies())
@settings(max_examples=150, deadline=None)
def test_what_is_dumped_loads_as_the_same_policy(policy: Policy) -> None:
    loaded = parse_policy(dump_policy(policy))
    assert loaded == policy
    assert policy_hash(loaded) == policy_hash(policy)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_policy_or_a_policy_error(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert str(caught.value)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from([*sorted(policy_document()), "control", "audit", "agreement"]), _values)
@settings(max_examples=300, deadline=None)
def test_any_value_in_any_section_is_taken_or_refused_with_words(key: str, value: object) -> None:
    text = yaml.safe_dump(policy_document(**{key: value}), allow_unicode=True)
    try:
        policy = parse_policy(text)
    except PolicyError as error:
        words = str(error)
    else:
        words = dump_policy(policy)
    assert words


@pytest.mark.parametrize("stakes", ["low", "sensitive", "regulated"])
def test_every_preset_loads(stakes: str) -> None:
    assert load_policy(PRESETS / f"{stakes}.yaml").stakes == stakes


def test_no_preset_is_left_out_of_the_test_above() -> None:
    assert {file.stem for file in PRESETS.glob("*.yaml")} == set(Stakes)


@pytest.mark.parametrize(
    ("stakes", "floor", "audit"),
    [("low", 0.7, 0.05), ("sensitive", 0.8, 0.05), ("regulated", 0.9, 0.1)],
)
def test_stakes_set_the_defaults(stakes: str, floor: float, audit: float) -> None:
    policy = make_policy(stakes=stakes)
    assert isinstance(policy.auto_accept, AutoAccept)
    assert (policy.auto_accept.floor, policy.audit.share) == (floor, audit)
    assert {policy.control.tier, policy.holdout.tier, policy.audit.tier} == {"senior"}


def test_without_a_second_reviewer_agreement_is_off_unless_asked_for() -> None:
    document = policy_document()
    document["tiers"][0]["reviewers"] = ["a@x.org"]
    assert Policy.model_validate(document).agreement.share == 0
    with pytest.raises(ValidationError, match="asks for 2 answers"):
        Policy.model_validate(document | {"agreement": {"share": 0.1}})


def test_the_hash_is_of_the_content_not_of_the_text() -> None:
    text = dump_policy(make_policy())
    lines = text.splitlines()
    moved = "\n".join([*lines[1:], lines[0], "# a comment"])
    assert policy_hash(parse_policy(moved)) == policy_hash(parse_policy(text))
    assert len(policy_hash(make_policy())) == 64
    assert policy_hash(make_policy(salt="other")) != policy_hash(make_policy())


def test_words_that_yaml_1_1_would_convert_stay_text() -> None:
    text = dump_policy(make_policy())
    text = text.replace("- press", "- no\n  - 2024-01-01\n  - 010\n  - 12:30\n  - on")
    route = parse_policy(text).routes[1]
    assert isinstance(route, TaskField)
    assert route.values == ("no", "2024-01-01", "010", "12:30", "on", 1, True)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_text(dump_policy(make_policy()), encoding="utf-8-sig")
    assert load_policy(file) == make_policy()


def test_a_policy_cannot_be_built_past_its_rules() -> None:
    with pytest.raises(ValidationError, match=r"control\.tier is not a tier"):
        make_policy(control={"share": 0.1, "tier": "nobody"})


def test_tiers_and_fields() -> None:
    policy = make_policy()
    assert policy.tier_names == ("general", "senior")
    assert [policy.order(name) for name in policy.tier_names] == [0, 1]
    assert policy.tier("senior").reviewers == ("c@x.org",)
    assert policy.fields_used() == ("source",)
    with pytest.raises(KeyError, match="no tier 'boss'"):
        policy.tier("boss")
