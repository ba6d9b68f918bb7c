"""What people's answers come to: settled, one tier up, or waiting; the top tier adjudicates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.adjudication import Asked, Readers, Verdict, Word, adjudicate
from policies.competence import decides, takes
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy

LABELS = ("cat", "dog", "legal")
GENERAL, DOMAIN, SENIOR = 0, 1, 2


def tiers(**limits: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "reviewers": [f"{name}@x.org", f"{name}2@x.org"],
            "cost_per_label": 1.0,
            "daily_capacity": 9,
            **limits.get(name, {}),
        }
        for name in ("general", "domain", "senior")
    ]


def policy_with(escalation: dict[str, Any] | None = None, **limits: dict[str, Any]) -> Policy:
    return make_policy(tiers=tiers(**limits), escalation=escalation or {}, routes=[])


POLICY = policy_with()
LIMITED = policy_with(
    general={"labels": ["cat", "dog"], "task_types": ["mail"]}, domain={"task_types": ["mail"]}
)


def word(expertise: int, label: str | None) -> Word:
    return Word(expertise=expertise, label=label)


def said(*labels: str | None, by: int = GENERAL) -> list[Word]:
    return [word(by, label) for label in labels]


@pytest.mark.parametrize(
    ("words", "asked", "verdict"),
    [
        ([], Asked(tier=0), Verdict(reason="waits for an answer")),
        (said("cat"), Asked(tier=0), Verdict(label="cat", reason="settled by general")),
        (
            said("cat"),
            Asked(tier=0, answers=2),
            Verdict(reason="1 of 2 answers are in"),
        ),
        (
            said("cat", "dog"),
            Asked(tier=0, answers=3),
            Verdict(reason="2 of 3 answers are in"),
        ),
        (
            said("cat", "dog"),
            Asked(tier=0, answers=2),
            Verdict(tier=DOMAIN, reason="2 answers differ: 'cat', 'dog'"),
        ),
        (  # nobody asked for the second one, but it is there
            said("dog", "cat"),
            Asked(tier=0),
            Verdict(tier=DOMAIN, reason="2 answers differ: 'cat', 'dog'"),
        ),
        (
            said("cat", "cat", "dog"),
            Asked(tier=0, answers=3),
            Verdict(label="cat", reason="settled by general"),
        ),
        (said(None), Asked(tier=0), Verdict(tier=DOMAIN, reason="skipped by general")),
        (  # a skip is no answer that others could outvote
            said("cat", None, "cat"),
            Asked(tier=0),
            Verdict(tier=DOMAIN, reason="skipped by general"),
        ),
        (said(None), Asked(tier=1), Verdict(reason="waits for an answer")),  # was not asked
        (  # nobody asked the general reviewer, whose answer stands as long as it is alone
            said("cat"),
            Asked(tier=1),
            Verdict(label="cat", reason="settled by general"),
        ),
        (  # but it takes at least the tier that was asked to settle a quarrel
            said("cat", "dog"),
            Asked(tier=2),
            Verdict(tier=SENIOR, reason="2 answers differ: 'cat', 'dog'"),
        ),
        (  # the more expert one outweighs the others
            [*said("cat", "cat"), word(DOMAIN, "dog")],
            Asked(tier=0),
            Verdict(label="dog", reason="settled by domain"),
        ),
        (
            [*said("cat", "dog"), *said("cat", by=DOMAIN), *said("dog", by=DOMAIN)],
            Asked(tier=1, escalated=True),
            Verdict(tier=SENIOR, reason="2 answers differ: 'cat', 'dog'"),
        ),
        (  # those whom it is contested for have had their say
            said("cat", "dog", "cat", "cat"),
            Asked(tier=1, escalated=True),
            Verdict(reason="waits for an answer"),
        ),
        (
            [*said("cat", "dog"), word(SENIOR, None)],
            Asked(tier=2, escalated=True),
            Verdict(stuck=True, reason="skipped by senior: no tier is above, it stays there"),
        ),
        (
            said(None, by=SENIOR),
            Asked(tier=2),
            Verdict(stuck=True, reason="skipped by senior: no tier is above, it stays there"),
        ),
        (  # what seniors skip is not settled by the answer of somebody else
            [word(GENERAL, "cat"), word(SENIOR, None)],
            Asked(tier=2),
            Verdict(tier=SENIOR, reason="skipped by senior"),
        ),
        (
            said("cat", "dog", by=SENIOR),
            Asked(tier=2, escalated=True),
            Verdict(label="dog", reason="senior adjudicates"),
        ),
        (
            said("cat", "dog", "cat", "dog", "cat", None, by=SENIOR),
            Asked(tier=0),
            Verdict(label="cat", reason="senior adjudicates"),
        ),
    ],
)
def test_what_answers_come_to(words: list[Word], asked: Asked, verdict: Verdict) -> None:
    assert adjudicate(words, asked, POLICY) == verdict


@pytest.mark.parametrize(
    ("words", "asked", "verdict"),
    [
        (
            said("legal"),
            Asked(tier=0),
            Verdict(tier=DOMAIN, reason="general does not decide 'legal'"),
        ),
        (  # before the second answer is in: it could not settle the task either
            said("legal"),
            Asked(tier=0, answers=2),
            Verdict(tier=DOMAIN, reason="general does not decide 'legal'"),
        ),
        (
            said("cat"),
            Asked(tier=0, task_type="call"),
            Verdict(tier=SENIOR, reason="general takes no tasks of type 'call'"),
        ),
        (  # not to the tier above, which takes no calls
            said(None),
            Asked(tier=0, task_type="call"),
            Verdict(tier=SENIOR, reason="skipped by general"),
        ),
        (
            said("legal", by=DOMAIN),
            Asked(tier=0, task_type="mail"),
            Verdict(label="legal", reason="settled by domain"),
        ),
    ],
)
def test_a_tier_settles_only_what_it_may_decide(
    words: list[Word], asked: Asked, verdict: Verdict
) -> None:
    assert adjudicate(words, asked, LIMITED) == verdict


def test_two_of_three_are_the_consensus_of_two_thirds() -> None:
    words = said("cat", "cat", "dog")
    for least, settled in ((0.6, True), (0.67, True), (0.68, False), (1.0, False)):
        policy = policy_with({"minimum_consensus": least})
        assert (adjudicate(words, Asked(tier=0), policy).label == "cat") == settled


def test_skips_that_the_policy_does_not_care_for_are_as_if_nobody_had_skipped() -> None:
    policy = policy_with({"on_skip": False})
    assert adjudicate(said(None), Asked(tier=0), policy).tier is None
    assert adjudicate(said(None, "cat"), Asked(tier=0), policy).label == "cat"
    assert not adjudicate(said(None, by=SENIOR), Asked(tier=2), policy).stuck


_words = st.lists(
    st.builds(word, st.sampled_from((GENERAL, DOMAIN, SENIOR)), st.sampled_from((*LABELS, None))),
    max_size=7,
)
_asked = st.builds(
    Asked,
    tier=st.integers(0, 2),
    answers=st.integers(1, 3),
    task_type=st.sampled_from((None, "mail", "call")),
    escalated=st.booleans(),
)
_limits: list[dict[str, dict[str, Any]]] = [
    {},
    {"general": {"labels": ["cat"]}, "domain": {"labels": ["dog", "legal"]}},
    {"general": {"labels": ["cat", "dog"], "task_types": ["mail"]}},
    {"domain": {"task_types": ["mail"]}},
]
_policies = st.sampled_from(
    [
        policy_with({"minimum_consensus": least, "on_skip": on_skip}, **limits)
        for least in (0.51, 0.67, 1.0)
        for on_skip in (True, False)
        for limits in _limits
    ]
)


@given(_words, _asked, _policies)
def test_it_is_total_and_says_one_thing(words: list[Word], asked: Asked, policy: Policy) -> None:
    verdict = adjudicate(words, asked, policy)
    assert verdict == adjudicate(words, asked, policy)
    assert [verdict.label is not None, verdict.tier is not None, verdict.stuck].count(True) <= 1
    assert verdict.reason
    if verdict.label is not None:
        assert verdict.label in {each.label for each in words}


@given(_words, _asked, _policies)
def test_a_task_only_moves_up_and_to_a_tier_that_may_decide_it(
    words: list[Word], asked: Asked, policy: Policy
) -> None:
    above = adjudicate(words, asked, policy).tier
    if above is None:
        return
    assert above >= asked.tier
    assert above > asked.tier or not asked.escalated
    panel = max(
        (w.expertise for w in words if w.label is not None or policy.escalation.on_skip),
    )
    tier = policy.tiers[above]
    named = {w.label for w in words if w.expertise == panel}
    assert above == SENIOR or takes(tier, asked.task_type)
    assert above == SENIOR or all(decides(tier, label) for label in named)


@given(_words, _asked, _policies, st.data())
def test_the_top_tiers_answer_settles_whatever_else_is_said(
    words: list[Word], asked: Asked, policy: Policy, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from(LABELS))
    others = [each for each in words if each.expertise < SENIOR]
    place = data.draw(st.integers(0, len(others)))
    with_top = [*others[:place], word(SENIOR, label), *others[place:]]
    assert adjudicate(with_top, asked, policy).label == label


@given(_words, _asked, _policies, st.randoms())
def test_the_order_matters_only_where_the_top_tiers_answers_are_tied(
    words: list[Word], asked: Asked, policy: Policy, chance: Any
) -> None:
    top = [each.label for each in words if each.expertise == SENIOR and each.label is not None]
    shares = sorted((top.count(label) for label in set(top)), reverse=True)
    if len(shares) > 1 and shares[0] == shares[1]:
        return
    shuffled = list(words)
    chance.shuffle(shuffled)
    assert adjudicate(shuffled, asked, policy) == adjudicate(words, asked, policy)


@given(_words, _asked, _policies)
def test_what_less_expert_people_say_does_not_change_what_the_more_expert_ones_settled(
    words: list[Word], asked: Asked, policy: Policy
) -> None:
    verdict = adjudicate(words, asked, policy)
    if verdict.label is None:
        return
    level = max(
        (w.expertise for w in words if w.label is not None),
    )
    more = [*words, *(word(below, label) for below in range(level) for label in LABELS)]
    assert adjudicate(more, asked, policy).label == verdict.label


@given(_words, _asked, st.sampled_from((0.51, 0.67, 1.0)))
def test_the_same_said_by_more_expert_people_settles_no_less_and_goes_no_lower(
    words: list[Word], asked: Asked, least: float
) -> None:
    policy = policy_with({"minimum_consensus": least})
    asked = replace(asked, escalated=False)
    words = [each for each in words if each.expertise < SENIOR]
    raised = [word(each.expertise + 1, each.label) for each in words]
    low, high = adjudicate(words, asked, policy), adjudicate(raised, asked, policy)
    if low.label is not None:  # a skip counts only now where it is by somebody who was asked
        assert high.label == low.label or high.reason.startswith("skipped")
    if low.tier is not None:
        assert high.label is not None or high.stuck or (high.tier or 0) >= low.tier


@given(_asked, _policies, st.lists(st.sampled_from((*LABELS, None)), min_size=9, max_size=9))
def test_every_task_ends_with_a_label_or_in_the_top_tiers_queue(
    asked: Asked, policy: Policy, answers: list[str | None]
) -> None:
    """Whoever is asked says something, each time; no task goes round for ever."""
    words: list[Word] = []
    for answer in answers:
        words.append(word(asked.tier, answer))
        verdict = adjudicate(words, asked, policy)
        if verdict.label is not None or verdict.stuck:
            return
        if verdict.tier is not None:
            asked = Asked(tier=verdict.tier, task_type=asked.task_type, escalated=True)
    assert set(answers) == {None}
    assert asked.tier == SENIOR or not policy.escalation.on_skip


READ = {"share": 1.0, "overlap": 2, "most": 3, "confidence": 0.9}


@pytest.mark.parametrize(
    ("labels", "found", "verdict"),
    [
        ("A", Readers(most=3), Verdict(reason="1 of 2 answers are in")),
        (
            "AB",
            Readers(most=3),
            Verdict(reason="the consensus of 2 answers is not known yet"),
        ),
        (
            "AB",
            Readers(most=3, answers=2, label="A", confidence=0.6),
            Verdict(
                one_more=True,
                reason="the consensus of 2 answers is right at 0.600, not 0.9: one more reader",
            ),
        ),
        (
            "AB",
            Readers(most=3, answers=2, label="B", confidence=0.93),
            Verdict(label="B", reason="the consensus of 2 answers is right at 0.930"),
        ),
        (
            "AA",
            Readers(most=3, answers=2),
            Verdict(
                one_more=True,
                reason="the consensus of 2 answers is of unknown probability, not 0.9: one more "
                "reader",
            ),
        ),
        (
            "AAB",
            Readers(most=3, answers=3, label="A", confidence=0.89),
            Verdict(tier=DOMAIN, reason="the consensus of 3 answers is right at 0.890, not 0.9"),
        ),
    ],
)
def test_more_readers_come_before_the_next_tier(
    labels: str, found: Readers, verdict: Verdict
) -> None:
    people = {"reviewers": [f"{name}@x.org" for name in "abc"]}
    rules = make_policy(tiers=tiers(general=people), routes=[], agreement=READ)
    asked = Asked(tier=GENERAL, answers=2, readers=found)
    assert adjudicate(said(*labels), asked, rules) == verdict
    expert = [*said(*labels), word(DOMAIN, "cat")]
    if len(expert) > 2:  # whoever is more expert needs no consensus of the others
        assert adjudicate(expert, asked, rules).label == "cat"
