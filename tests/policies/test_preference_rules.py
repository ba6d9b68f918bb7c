"""Once a policy asks for preferences nothing may answer in people's place; in exact words."""

from __future__ import annotations

from pathlib import Path

import pytest

import policies as policies_package
from policies.loading import PolicyError, parse_policy
from policies.preferences import Preferences

PRESET = Path(policies_package.__path__[0]) / "presets" / "preference.yaml"
GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: domain, reviewers: [a@x.org, b@x.org], cost_per_label: 0.1, daily_capacity: 9}
  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}
auto_accept: never
"""
ASKS = "preferences: {}\n"


def said(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "digits.yaml")
    return str(caught.value).splitlines()


def test_an_empty_section_asks_for_preferences_and_no_section_does_not() -> None:
    assert parse_policy(GOOD + ASKS).preferences == Preferences()
    assert parse_policy(GOOD).preferences is None
    preset = parse_policy(PRESET.read_text("utf-8")).preferences
    assert preset == Preferences(prompt="prompt", order="order", prerank=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "auto_accept: never",
            "auto_accept: {max_error_rate: 0.05, confidence: 0.95}",
            (
                "digits.yaml:6  auto_accept  "
                "promises labels without a person, and preferences are "
                "people's alone: no model may be aligned to itself (use auto_accept: never)"
            ),
        ),
        (
            ASKS,
            f"{ASKS}automation: [{{kind: exact_duplicate}}]\n",
            (
                "digits.yaml:8  automation  "
                "answers before people do, and a preference that is copied "
                "or guessed is none (take the section out, or 'preferences')"
            ),
        ),
        (
            ASKS,
            f"{ASKS}same_answer: {{tolerance: 1.5}}\n",
            (
                "digits.yaml:8  same_answer.tolerance = 1.5  "
                "lets an answer take another's words, and "
                "preferences are compared as they were given (take it out)"
            ),
        ),
        (
            "name: domain",
            "name: General",
            (
                "digits.yaml:4  tiers[0].name = 'General'  "
                "is a general pool: preferences need people "
                "who can judge the subject (ask those, and call them domain or senior)"
            ),
        ),
        (
            "  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}\n",
            "",
            (
                "digits.yaml:3  tiers  "
                "is a flat pool of one tier: people prefer different things, and "
                "somebody must adjudicate (add a more expert tier at the end)"
            ),
        ),
        (
            ASKS,
            f"{ASKS}agreement: {{share: 0}}\n",
            (
                "digits.yaml:8  agreement.share = 0  "
                "asks everybody alone, and a preference that "
                "nobody else was asked for proves nothing (use more than 0, such as 1.0, with two "
                "reviewers or more in a tier)"
            ),
        ),
        (
            ASKS,
            f"{ASKS}model: {{kind: upstream, url: 'http://127.0.0.1:9'}}\n",
            (
                "digits.yaml:8  model.kind = 'upstream'  "
                "brings preferences from elsewhere, and only a model that learns from these "
                "people's may suggest any (use kind: embedded, or leave the section out)"
            ),
        ),
    ],
)
def test_what_would_answer_for_people_is_refused(old: str, new: str, message: str) -> None:
    changed = (GOOD + ASKS).replace(old, new)
    assert said(changed) == [message]
    # Without the section the same policy is nobody's business.
    assert parse_policy(changed.replace(ASKS, "")).preferences is None


def test_no_second_model_is_asked_what_people_prefer() -> None:
    second = (
        "model: {second: {kind: llm, model: a}}\n"
        "routes: [{kind: model_disagreement, tier: senior}]\n"
    )
    assert said(GOOD + ASKS + second) == [
        (
            "digits.yaml:8  model.second  "
            "asks another model what people prefer: no model may be "
            "aligned to another (take it out)"
        )
    ]
    assert parse_policy(GOOD + second).model.second is not None


def test_of_sensitive_stakes_the_flat_pool_is_said_once() -> None:
    flat = GOOD.replace("low", "sensitive").replace(
        "  - {name: senior, reviewers: [c@x.org], cost_per_label: 1, daily_capacity: 9}\n", ""
    )
    (only,) = said(flat + ASKS)
    assert "sensitive stakes need at least 2" in only


def test_a_reviewer_alone_cannot_agree_with_anybody() -> None:
    alone = GOOD.replace("[a@x.org, b@x.org]", "[a@x.org]")
    (only,) = said(alone + ASKS)
    assert only.startswith("digits.yaml:1  agreement.share = 0.0  asks everybody alone")
