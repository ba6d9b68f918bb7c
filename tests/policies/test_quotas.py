"""The section `sampling`: what may be written, what is refused and in which words."""

from __future__ import annotations

import pytest

from policies.loading import PolicyError, dump_policy, parse_policy
from policies.quotas import Sampling

GOOD = """\
project: Digits
stakes: low
tiers:
  - {name: general, reviewers: [a@x.org], cost_per_label: 0.1, daily_capacity: 9}
auto_accept: never
"""


def sampling(section: str) -> Sampling:
    return parse_policy(f"{GOOD}sampling: {section}\n").sampling


def said(section: str) -> str:
    with pytest.raises(PolicyError) as caught:
        parse_policy(f"{GOOD}sampling: {section}\n", "digits.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "{random: 0.4, uncertainty: 0.5}",
            (
                "digits.yaml:6  sampling  has shares that sum to 0.9, not to 1 "
                "(a share that is not named is 0)"
            ),
        ),
        (
            "{random: 0.4, uncertainty: 0.4, diversity: 0.3}",
            (
                "digits.yaml:6  sampling  has shares that sum to 1.1, not to 1 "
                "(a share that is not named is 0)"
            ),
        ),
        (
            "{random: 0.05, uncertainty: 0.95}",
            (
                "digits.yaml:6  sampling.random = 0.05  is under 0.10: without a random part "
                "nothing can be measured or certified (use 0.10 or more)"
            ),
        ),
        (
            "{uncertainty: 0.5, stratified: 0.5}",
            (
                "digits.yaml:6  sampling.random = 0.0  is under 0.10: without a random part "
                "nothing can be measured or certified (use 0.10 or more)"
            ),
        ),
        (
            "{uncertainty: 1.0}",
            (
                "digits.yaml:6  sampling.uncertainty = 1.0  takes the whole queue: what the model "
                "is unsure of says nothing of all other tasks, so no accuracy and no threshold "
                "could be measured, and what it gets wrong with confidence would never be seen "
                "(leave 0.10 or more to random)"
            ),
        ),
        (
            "{uncertainty: 0.5, stratified: 0.6}",
            (
                "digits.yaml:6  sampling.random = 0.0  is under 0.10: without a random part "
                "nothing can be measured or certified (use 0.10 or more)\n"
                "digits.yaml:6  sampling  has shares that sum to 1.1, not to 1 "
                "(a share that is not named is 0)"
            ),
        ),
        (
            "{random: 40, uncertainty: 60}",
            (
                "digits.yaml:6  sampling.random = 40  must be between 0 and 1 (did you mean 0.4?)\n"
                "digits.yaml:6  sampling.uncertainty = 60  must be between 0 and 1 "
                "(did you mean 0.6?)"
            ),
        ),
        (
            "{by: magin}",
            (
                "digits.yaml:6  sampling.by = 'magin'  is not one of least_confidence, margin, "
                "entropy (did you mean 'margin'?)"
            ),
        ),
        (
            "{random: true, uncertainty: 0.5}",
            "digits.yaml:6  sampling.random = true  must be a number",
        ),
        (
            "{randon: 1.0}",
            "digits.yaml:6  sampling.randon  is not a known key (did you mean 'random'?)",
        ),
        ("", "digits.yaml:6  sampling = null  must be a mapping of keys to values"),
    ],
)
def test_one_mistake(section: str, message: str) -> None:
    assert said(section) == message


def test_without_the_section_half_of_a_day_is_random_and_half_uncertain() -> None:
    assert parse_policy(GOOD).sampling.shares == {
        "random": 0.5,
        "uncertainty": 0.5,
        "stratified": 0.0,
        "known_failures": 0.0,
        "diversity": 0.0,
    }


def test_a_share_that_is_not_named_is_0_where_another_is_named() -> None:
    assert sampling("{random: 0.4, stratified: 0.6}").shares["uncertainty"] == 0
    assert sampling("{random: 1.0}").shares["uncertainty"] == 0
    assert sampling("{by: margin}").shares == parse_policy(GOOD).sampling.shares


def test_shares_that_are_1_but_for_the_last_bit_are_right() -> None:
    assert 0.6 + 0.3 + 0.1 != 1
    assert sampling("{random: 0.6, uncertainty: 0.3, stratified: 0.1}").stratified == 0.1


def test_what_was_read_is_written_and_read_again() -> None:
    policy = parse_policy(f"{GOOD}sampling: {{random: 0.4, diversity: 0.6, by: entropy}}\n")
    assert parse_policy(dump_policy(policy)) == policy


@pytest.mark.parametrize(
    ("section", "signals"),
    [
        ("{random: 0.5, uncertainty: 0.5}", ()),
        ("{random: 0.5, uncertainty: 0.5, by: margin}", ("margin",)),
        ("{random: 0.4, uncertainty: 0.4, by: entropy, diversity: 0.2}", ("entropy", "novelty")),
        ("{random: 0.5, stratified: 0.5, by: margin}", ()),
    ],
)
def test_the_ledger_keeps_the_signals_that_the_quotas_need(
    section: str, signals: tuple[str, ...]
) -> None:
    assert parse_policy(f"{GOOD}sampling: {section}\n").signals_used == signals
