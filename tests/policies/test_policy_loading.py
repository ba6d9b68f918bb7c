from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import policies as policies_package
from policies.conditions import TaskField
from policies.domain import Purpose, Stakes
from policies.engine import decide
from policies.escalation import Escalation
from policies.explanations import run_tests
from policies.loading import PolicyError, dump_policy, load_policy, parse_policy, policy_hash
from policies.monitoring import Monitoring
from policies.preferences import Preferences
from policies.prices import Prices
from policies.promises import AutoAccept
from policies.quotas import Sampling
from policies.schema import Agreement, Policy, TierSpec
from policies.sections import Section
from policies.simulated_people import SimulatedPeople
from tests.fakes.policy_documents import make_candidates, make_policy, policies, policy_document

PRESETS = Path(policies_package.__path__[0]) / "presets"
STAKES_OF_PRESETS = {
    "low": "low",
    "sensitive": "sensitive",
    "regulated": "regulated",
    "preference": "sensitive",
}


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


@pytest.mark.parametrize("key", ["(", "(((((project", "(stakes)", "(0)"])
def test_a_key_that_begins_with_a_bracket_is_told_in_its_place(key: str) -> None:
    """As pydantic names the branches of a union."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(yaml.safe_dump({key: "web", **policy_document()}, sort_keys=False))
    assert f"1  {key}  is not a known key" in str(caught.value)


def test_a_label_that_begins_with_a_bracket_is_told_in_its_place() -> None:
    labels = {"(other)": {"max_error_rate": 5}}
    accept = {"max_error_rate": 0.1, "confidence": 0.95, "labels": labels}
    with pytest.raises(PolicyError, match=r"auto_accept\.labels\.\(other\)\.max_error_rate"):
        parse_policy(yaml.safe_dump(policy_document(auto_accept=accept)))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(Policy.model_fields)), _values)
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


@pytest.mark.parametrize("file", sorted(PRESETS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_preset_loads_and_passes_its_own_tests(file: Path) -> None:
    policy = load_policy(file)
    assert policy.stakes == STAKES_OF_PRESETS[file.stem]
    assert policy.tests
    assert [tried.wrong for tried in run_tests(policy)] == [()] * len(policy.tests)


def test_there_is_a_preset_for_each_stakes_and_for_preferences() -> None:
    assert {file.stem for file in PRESETS.glob("*.yaml")} == set(STAKES_OF_PRESETS)
    assert set(Stakes) == set(STAKES_OF_PRESETS.values())


def test_the_presets_together_show_every_section_and_key() -> None:
    texts = [yaml.safe_load(file.read_text("utf-8")) for file in PRESETS.glob("*.yaml")]
    shown = {key for text in texts for key in text}
    assert shown == set(Policy.model_fields) - {"salt"}  # nobody should touch it
    sections: tuple[tuple[str, type[Section]], ...] = (
        ("tiers", TierSpec),
        ("agreement", Agreement),
        ("sampling", Sampling),
        ("escalation", Escalation),
        ("monitoring", Monitoring),
        ("preferences", Preferences),
        ("prices", Prices),
        ("simulation", SimulatedPeople),
    )
    for key, section in sections:
        assert _keys(texts, key) == set(section.model_fields), key
    assert _keys(texts, "auto_accept") == set(AutoAccept.model_fields) - {"floor"}  # by stakes


def _keys(texts: list[dict[str, Any]], section: str) -> set[str]:
    """The keys that any of the texts shows in this section, or in an entry of its list."""
    values = [text.get(section) for text in texts]
    entries = [
        entry for value in values for entry in (value if isinstance(value, list) else [value])
    ]
    return {key for entry in entries if isinstance(entry, dict) for key in entry}


@pytest.mark.parametrize("file", sorted(PRESETS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_section_of_a_preset_is_explained(file: Path) -> None:
    """Each key says what it is for on its own line, or the first line of its section does."""
    lines = file.read_text("utf-8").split("\n")
    sections = [line for line in lines if re.match(r"\w+:", line)]
    silent = [line for line in sections if "#" not in line]
    # What is silent opens a section whose keys are explained one by one.
    for line in silent:
        block = lines[lines.index(line) + 1 :]
        keys = list(itertools.takewhile(lambda inner: inner.startswith(" "), block))
        assert keys
        assert "#" in keys[0], line


def test_what_preferences_need() -> None:
    policy = load_policy(PRESETS / "preference.yaml")
    assert policy.auto_accept == "never"
    assert policy.automation == ()
    assert "general" not in policy.tier_names
    assert (policy.agreement.share, policy.agreement.overlap) == (1.0, 3)
    assert policy.agreement.minimum_alpha is not None
    answered = decide(
        policy, make_candidates([(n, None, math.nan, None, None) for n in range(200)])
    )
    slices = {Purpose.CONTROL, Purpose.HOLDOUT}
    assert set(answered.purposes) == {Purpose.AGREEMENT, *slices}  # three people each


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
    assert policy.fields_used == ("source",)
    with pytest.raises(KeyError, match="no tier 'boss'"):
        policy.tier("boss")
