"""Drafts: a few numbers of a policy file change, and nothing else does."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import policies as policies_package
from policies.drafting import Changes, DraftError, changed_policy, changed_text
from policies.loading import PolicyError, dump_policy, load_policy, parse_policy
from policies.promises import AutoAccept
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy, policies

PRESETS = sorted((Path(policies_package.__path__[0]) / "presets").glob("*.yaml"))

_NUMBERS: dict[tuple[str, str], st.SearchStrategy[float]] = {
    ("auto_accept", "max_error_rate"): st.floats(0.0001, 0.4999),
    ("auto_accept", "confidence"): st.floats(0.501, 0.999),
    ("auto_accept", "cost_of_error"): st.floats(0, 1e6),
    ("audit", "share"): st.floats(0.05, 1),
    ("control", "share"): st.floats(0.05, 0.3),
}
_OPENING = (("auto_accept", "max_error_rate"), ("auto_accept", "confidence"))


@st.composite
def any_changes(draw: st.DrawFn, policy: Policy) -> Changes:
    chosen = set(draw(st.lists(st.sampled_from(sorted(_NUMBERS)), unique=True)))
    never = not isinstance(policy.auto_accept, AutoAccept)
    if policy.preferences is not None:  # nothing is accepted of preferences
        chosen = {path for path in chosen if path[0] != "auto_accept"}
    if never and any(path[0] == "auto_accept" for path in chosen):
        chosen |= set(_OPENING)
    changes: dict[Any, float | int] = {path: draw(_NUMBERS[path]) for path in sorted(chosen)}
    for place in range(len(policy.tiers)):
        if draw(st.booleans()):
            changes["tiers", place, "daily_capacity"] = draw(st.integers(1, 10**6))
    return changes


def expected(policy: Policy, changes: Changes) -> Policy:
    """Written without the code under test: section by section."""
    values = policy.model_dump(by_alias=True)
    tiers, audit = list(values["tiers"]), dict(values["audit"])
    control, rule = dict(values["control"]), values["auto_accept"]
    for path, number in changes.items():
        match path:
            case ("tiers", int(place), key):
                tiers[place] = {**tiers[place], str(key): number}
            case ("audit", key):
                audit[str(key)] = number
            case ("control", key):
                control[str(key)] = number
            case (_, key):
                rule = {**({} if rule == "never" else rule), str(key): number}
    return Policy.model_validate(
        values | {"tiers": tiers, "audit": audit, "control": control, "auto_accept": rule}
    )


@given(policies().flatmap(lambda each: st.tuples(st.just(each), any_changes(each))))
@settings(max_examples=100, deadline=None)
def test_any_policy_takes_any_numbers_and_nothing_else_changes(
    given_: tuple[Policy, Changes],
) -> None:
    policy, changes = given_
    wanted = expected(policy, changes)
    assert changed_policy(policy, changes) == wanted
    for text in (dump_policy(policy), _in_one_line(policy), _sparse(policy)):
        assert parse_policy(changed_text(text, changes)) == wanted


def _in_one_line(policy: Policy) -> str:
    content = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    text: str = yaml.safe_dump(
        content, default_flow_style=True, sort_keys=False, allow_unicode=False, width=10**9
    )
    return text if _reads_as(text, policy) else dump_policy(policy)


def _sparse(policy: Policy) -> str:
    """Without what can be left out, so that sections have to be added."""
    content = yaml.safe_load(_quoted(policy))
    for section in ("audit", "control", "holdout"):
        content.pop(section)
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text if _reads_as(text, policy) else dump_policy(policy)


def _quoted(policy: Policy) -> str:
    text: str = yaml.safe_dump(policy.model_dump(mode="json", by_alias=True, exclude_none=True))
    return text


def _reads_as(text: str, policy: Policy) -> bool:
    try:
        return parse_policy(text) == policy
    except PolicyError:
        return False


@pytest.mark.parametrize("preset", PRESETS, ids=lambda each: each.stem)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_presets_keep_their_comments_and_order(preset: Path, data: st.DataObject) -> None:
    text, policy = preset.read_text(encoding="utf-8"), load_policy(preset)
    changes = data.draw(any_changes(policy))
    made = changed_text(text, changes)
    assert parse_policy(made) == expected(policy, changes)
    before, after = text.splitlines(), made.splitlines()
    touched = [line for line in difflib.ndiff(before, after) if line.startswith(("- ", "+ "))]
    assert len(touched) <= 2 * len(changes)
    assert [line.partition("#")[2] for line in before if "#" in line] == [
        line.partition("#")[2] for line in after if "#" in line
    ]


PLAIN = """\
# our rules
project: Mail   # the title
stakes: low
tiers:
  - {name: all, reviewers: [ann@example.com], cost_per_label: 0.1, daily_capacity: 90}
auto_accept:    # the promise
  # proved every night
  max_error_rate: 0.03   # three in a hundred
  confidence: 0.95
"""


def test_one_number_is_one_word_of_the_text() -> None:
    made = changed_text(PLAIN, {("auto_accept", "max_error_rate"): 0.02})
    assert made == PLAIN.replace("max_error_rate: 0.03", "max_error_rate: 0.02")
    made = changed_text(PLAIN, {("tiers", 0, "daily_capacity"): 200})
    assert made == PLAIN.replace("daily_capacity: 90", "daily_capacity: 200")


def test_a_number_that_the_text_leaves_out_is_written_into_its_section() -> None:
    made = changed_text(PLAIN, {("auto_accept", "cost_of_error"): 5.0})
    assert "  cost_of_error: 5.0\n  max_error_rate: 0.03   # three" in made
    made = changed_text(PLAIN, {("audit", "share"): 0.2, ("control", "share"): 0.15})
    assert made == PLAIN + "control: {share: 0.15}\naudit: {share: 0.2}\n" or made == (
        PLAIN + "audit: {share: 0.2}\ncontrol: {share: 0.15}\n"
    )


NEVER = PLAIN[: PLAIN.index("auto_accept")] + "auto_accept: {}   # people confirm all\nsalt: x\n"
OPENED: Changes = {("auto_accept", "max_error_rate"): 0.02, ("auto_accept", "confidence"): 0.95}


@pytest.mark.parametrize("word", ["never", "'never'", '"never"', ">-\n  never\n"])
def test_never_becomes_a_promise(word: str) -> None:
    text = NEVER.replace("{}", word)
    if word.startswith(">"):
        text = text.replace("   # people confirm all\n", "")
    made = changed_text(text, OPENED)
    assert "auto_accept: {max_error_rate: 0.02, confidence: 0.95}" in made
    assert made.endswith("salt: x\n")


def test_half_a_promise_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        changed_text(NEVER.replace("{}", "never"), {("auto_accept", "max_error_rate"): 0.02})
    assert [each.path for each in caught.value.problems] == ["auto_accept.confidence"]


@pytest.mark.parametrize(
    "changed",
    [
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN + "...\n",
        "---\n" + PLAIN + "# the end",
        PLAIN.replace("\n", "\n  ").replace("# our", "  # our").rstrip(),
        PLAIN + "? audit\n: second_share: 0.3\n",
        PLAIN + "'audit':\n    'second_share': 0.3\n",
        PLAIN + "audit: {}\n",
    ],
    ids=["crlf", "bom", "no last break", "end mark", "start mark", "indented", "explicit",
         "quoted", "empty"],
)  # fmt: skip
def test_every_way_to_write_a_file(changed: str) -> None:
    changes: Changes = {("audit", "share"): 0.2, ("auto_accept", "confidence"): 0.9}
    made = changed_text(changed, changes)
    assert parse_policy(made) == expected(parse_policy(changed), changes)


def test_what_cannot_be_changed_alone_is_refused_with_the_way_out() -> None:
    text = PLAIN + "salt: |\n  a last line without its break"
    with pytest.raises(DraftError, match="by hand"):
        changed_text(text, {("audit", "share"): 0.2})


def test_numbers_out_of_range_are_told_all_at_once() -> None:
    changes: Changes = {
        ("auto_accept", "max_error_rate"): 0.7,
        ("audit", "share"): 0.0,
        ("control", "share"): 0.45,
    }
    policy = make_policy(holdout={"share": 0.3})
    with pytest.raises(PolicyError) as caught:
        changed_policy(policy, changes)
    told = {each.path: each.message for each in caught.value.problems}
    assert set(told) == {"auto_accept.max_error_rate", "audit.share", "control.share"}
    assert "audit floor" in told["audit.share"]
