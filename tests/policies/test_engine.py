from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain import Decision, FloatArray, IntArray, Outcome, Purpose
from policies.engine import decide
from policies.sampling import AGREEMENT, AUDIT, SLICE, draws, labelled_draws
from tests.fakes.policy_documents import LABELS, make_candidates, make_certification, make_policy

POLICY = make_policy()
NAN = math.nan


def audit_draws(ids: IntArray) -> FloatArray:
    """The draws of these tasks, were they accepted as "cat"."""
    return labelled_draws(POLICY.salt, AUDIT, ids, np.full(len(ids), "cat", object))


def task_id_drawn(*, audit: bool = False, agreement: bool = False) -> int:
    """A task outside the slices, in or out of the two other draws."""
    ids = np.arange(1, 5000)
    in_slice = draws(POLICY.salt, SLICE, ids)
    fits = (in_slice >= 0.1) & (in_slice < 0.9)
    fits &= (audit_draws(ids) < POLICY.audit.share) == audit
    fits &= (draws(POLICY.salt, AGREEMENT, ids) < POLICY.agreement.share) == agreement
    return int(ids[fits][0])


TASK = task_id_drawn()


def decide_one(
    label: str | None = "cat",
    score: float = 0.9,
    problem: str | None = None,
    source: object = None,
    task_id: int = TASK,
) -> Decision:
    candidates = make_candidates([(task_id, label, score, problem, source)])
    return decide(POLICY, candidates, make_certification(), model_version="m1")[0]


def test_a_score_that_reaches_the_threshold_is_accepted() -> None:
    decision = decide_one(score=0.8)
    assert decision == Decision(
        task_id=TASK,
        outcome=Outcome.ACCEPT,
        purpose=Purpose.ROUTED,
        tier=None,
        rule="auto_accept",
        reason="score 0.800 reaches the certified threshold 0.800",
        label="cat",
        score=0.8,
        threshold=0.8,
        draw=audit_draws(np.array([TASK]))[0],
        inclusion_probability=0.95,
        predictor="model",
    )
    assert type(decision.draw) is float
    assert type(decision.task_id) is int


def test_an_audited_accept_goes_blind_to_the_audit_tier() -> None:
    decision = decide_one(task_id=task_id_drawn(audit=True))
    assert (decision.outcome, decision.purpose) == (Outcome.ACCEPT, Purpose.AUDIT)
    assert (decision.tier, decision.inclusion_probability) == ("senior", 0.05)
    assert decision.draw < 0.05
    assert decision.blind
    assert decision.reason.endswith("; drawn for audit (5.0% of accepts)")


def test_an_agreement_check_goes_to_a_tier_with_enough_people() -> None:
    task_id = task_id_drawn(agreement=True)
    by_general = decide_one(score=0.3, task_id=task_id)
    assert (by_general.purpose, by_general.tier) == (Purpose.AGREEMENT, "general")
    assert by_general.inclusion_probability == 0.1
    assert by_general.reason.endswith("; drawn for agreement: 2 people answer")
    by_senior = decide_one(label="8", task_id=task_id)  # one senior alone cannot agree
    assert (by_senior.purpose, by_senior.tier) == (Purpose.ROUTED, "senior")
    assert by_senior.inclusion_probability == 1


@pytest.mark.parametrize(
    ("label", "score", "problem", "source", "tier", "rule", "reason"),
    [
        (None, NAN, None, None, "general", "no_model", "no model yet"),
        (None, NAN, "broken image", None, "general", "problem", "broken image"),
        (
            None,
            NAN,
            "broken image",
            "press",
            "general",
            "routes[1]",
            "the task's source is one of 'press', 1, True",
        ),
        ("cat", NAN, None, None, "general", "problem", "the prediction's score nan is not in 0..1"),
        ("cat", 1.5, None, None, "general", "problem", "the prediction's score 1.5 is not in 0..1"),
        ("8", 0.99, None, "press", "senior", "routes[0]", "the predicted label is one of '8'"),
        (
            "cat",
            0.99,
            None,
            "press",
            "general",
            "routes[1]",
            "the task's source is one of 'press', 1, True",
        ),
        (
            "yes",
            0.99,
            None,
            None,
            "general",
            "never_label",
            "the predicted label is one that is never accepted: 'yes'",
        ),
        (
            "cat",
            0.712,
            None,
            None,
            "general",
            "below_threshold",
            "score 0.712 is below the certified threshold 0.800",
        ),
        (
            "cat",
            0.79996,
            None,
            None,
            "general",
            "below_threshold",
            "score 0.799960000 is below the certified threshold 0.800000000",
        ),
    ],
)
def test_what_sends_a_task_to_people(  # noqa: PLR0917 - one row of the table
    label: str | None,
    score: float,
    problem: str | None,
    source: object,
    tier: str,
    rule: str,
    reason: str,
) -> None:
    decision = decide_one(label, score, problem, source)
    assert (decision.outcome, decision.purpose) == (Outcome.REVIEW, Purpose.ROUTED)
    assert (decision.tier, decision.rule, decision.reason) == (tier, rule, reason)


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ("press", True),
        (1, True),
        (1.0, True),
        (True, True),
        ("1", False),
        ("true", False),
        (False, False),
        (0, False),
        (None, False),
        (["press"], False),
        ({"press": 1}, False),
    ],
)
def test_what_a_task_field_equals(value: object, *, matches: bool) -> None:
    assert (decide_one(source=value).rule == "routes[1]") is matches


def test_true_is_not_1() -> None:
    route = {"kind": "task_field", "field": "source", "equals": 1, "tier": "senior"}
    policy = make_policy(routes=[route])
    rows = [(TASK, "cat", 0.9, None, value) for value in (1, True, 1.0)]
    rules = decide(policy, make_candidates(rows)).rules
    assert rules.tolist() == ["routes[0]", "no_certificate", "routes[0]"]


def test_slices_come_before_everything_and_have_their_shares() -> None:
    ids = range(1, 40_001)
    some = [(i, LABELS[i % 4] if i % 5 else None, 0.99, None, "press") for i in ids]
    decisions = decide(POLICY, make_candidates(some), make_certification(), model_version="m1")
    for purpose in (Purpose.CONTROL, Purpose.HOLDOUT):
        mine = decisions.purposes == purpose
        assert 0.094 < mine.mean() < 0.106
        assert set(decisions.rules[mine]) == {purpose.value}
        assert set(decisions.tiers[mine]) == {"senior"}
        assert set(decisions.inclusion_probabilities[mine]) == {0.1}
    assert set(decisions.rules[decisions.purposes == Purpose.CONTROL]) == {"control"}
    assert "drawn for the control slice (10.0% of all tasks)" in decisions.reasons


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (None, "no threshold is certified yet for 5.0% errors at 95.0% confidence"),
        (
            make_certification(None, control_answers=120, labels_needed=300),
            (
                "120 control answers certify no threshold for 5.0% errors at 95.0% confidence; "
                "about 300 more are needed"
            ),
        ),
        (
            make_certification(None, control_answers=120),
            "120 control answers certify no threshold for 5.0% errors at 95.0% confidence",
        ),
        (
            make_certification(max_error_rate=0.1),
            (
                "the certificate is for 10.0% at 95.0%, the policy now asks for 5.0% errors at "
                "95.0% confidence"
            ),
        ),
        (
            make_certification(confidence=0.9),
            (
                "the certificate is for 5.0% at 90.0%, the policy now asks for 5.0% errors at "
                "95.0% confidence"
            ),
        ),
    ],
)
def test_without_the_evidence_everything_goes_to_people(certificate: object, reason: str) -> None:
    candidates = make_candidates([(TASK, "cat", 1.0, None, None)])
    decision = decide(POLICY, candidates, certificate, model_version="m1")[0]  # type: ignore[arg-type]  # parametrize knows no types
    assert (decision.rule, decision.reason) == ("no_certificate", reason)
    assert decision.threshold is None


def test_a_certificate_for_a_stricter_promise_is_good_enough() -> None:
    candidates = make_candidates([(TASK, "cat", 0.9, None, None)])
    stricter = make_certification(max_error_rate=0.01, confidence=0.99)
    assert decide(POLICY, candidates, stricter, model_version="m1")[0].outcome is Outcome.ACCEPT


def test_the_policys_floor_stands_above_a_lower_certificate() -> None:
    policy = make_policy(auto_accept={"max_error_rate": 0.05, "confidence": 0.95, "floor": 0.95})
    candidates = make_candidates([(TASK, "cat", 0.9, None, None)])
    decision = decide(policy, candidates, make_certification(), model_version="m1")[0]
    assert (decision.rule, decision.threshold) == ("below_threshold", 0.95)
    assert decision.reason == "score 0.900 is below the policy's floor 0.950"


def test_a_policy_that_accepts_nothing() -> None:
    candidates = make_candidates([(TASK, "cat", 1.0, None, None)])
    decision = decide(make_policy(auto_accept="never"), candidates)[0]
    assert decision.rule == "auto_accept_never"
    assert decision.reason == "the policy lets a person confirm every label"


def test_a_certificate_of_another_model_is_the_callers_mistake() -> None:
    candidates = make_candidates([(TASK, "cat", 0.9, None, None)])
    with pytest.raises(ValueError, match=r"certified is model version 'm1'.* are of 'm2'"):
        decide(POLICY, candidates, make_certification(), model_version="m2")


def test_a_field_that_the_policy_names_must_be_given() -> None:
    candidates = replace(make_candidates([(TASK, "cat", 0.9, None, None)]), fields={})
    with pytest.raises(ValueError, match="not given: \\['source'\\]"):
        decide(POLICY, candidates)


def test_rows_of_decisions() -> None:
    rows = [(i, "cat", 0.9, None, None) for i in (3, 1, 2)]
    decisions = decide(POLICY, make_candidates(rows))
    assert [decision.task_id for decision in decisions] == [3, 1, 2]
    assert decisions[-1] == list(decisions)[2]
    assert len(decide(POLICY, make_candidates([]))) == 0
    assert list(decide(POLICY, make_candidates([]))) == []
    with pytest.raises(IndexError):
        decisions[3]


_rows = st.tuples(
    st.integers(0, 10**9),
    st.none() | st.sampled_from(LABELS),
    st.floats(0, 1) | st.just(NAN) | st.floats(),
    st.none() | st.just("broken image"),
    st.none() | st.sampled_from(["press", "web", 1, True]) | st.lists(st.integers(), max_size=1),
)
_certificates = st.none() | st.builds(make_certification, st.none() | st.floats(0, 1))


@given(st.lists(_rows, max_size=30), _certificates, st.booleans())
@settings(max_examples=150, deadline=None)
def test_decide_is_total_deterministic_and_the_same_one_by_one(
    rows: list[tuple[int, str | None, float, str | None, object]],
    certificate: object,
    never: bool,  # noqa: FBT001 - hypothesis passes by position
) -> None:
    policy = make_policy(auto_accept="never") if never else POLICY

    def decided(part: list[tuple[int, str | None, float, str | None, object]]) -> list[Decision]:
        return list(decide(policy, make_candidates(part), certificate, model_version="m1"))  # type: ignore[arg-type]  # hypothesis knows no types

    together = decided(rows)
    assert together == decided(rows)
    assert together == [decision for row in rows for decision in decided([row])]
    for decision in together:
        assert decision.rule
        assert decision.reason
        assert 0 <= decision.draw < 1
        assert 0 < decision.inclusion_probability <= 1
        assert (decision.tier is None) == (
            decision.outcome is Outcome.ACCEPT and decision.purpose is Purpose.ROUTED
        )


@given(_rows, st.floats(0, 1), st.floats(0, 1), _certificates)
@settings(max_examples=300, deadline=None)
def test_more_confidence_never_means_more_review(
    row: tuple[int, str | None, float, str | None, object],
    one: float,
    other: float,
    certificate: object,
) -> None:
    outcomes = []
    for score in sorted((one, other)):
        candidates = make_candidates([(row[0], row[1], score, row[3], row[4])])
        decision = decide(POLICY, candidates, certificate, model_version="m1")[0]  # type: ignore[arg-type]  # hypothesis knows no types
        outcomes.append(decision.outcome)
    assert outcomes != [Outcome.ACCEPT, Outcome.REVIEW]
