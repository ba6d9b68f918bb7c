"""Trying a policy out on made-up tasks: the reasons it gives, and the tests that it holds."""

from __future__ import annotations

from typing import Any

import pytest

from policies.explanations import Trial, explain, run_tests
from policies.loading import dump_policy, parse_policy, policy_hash
from policies.schema import Policy
from policies.trials import TrialPrediction
from tests.fakes.policy_documents import make_policy

ROUTES: list[dict[str, Any]] = [
    {
        "all": [
            {"kind": "predicted_label", "in": ["cat"]},
            {"not": {"kind": "source", "in": ["web"]}},
        ],
        "tier": "senior",
    },
    {"kind": "margin", "below": 0.2, "tier": "general"},
    {"kind": "random_share", "share": 0.01, "tier": "general"},
]
POLICY = make_policy(routes=ROUTES)


def rules_of(policy: Policy, trial: Trial) -> dict[str, tuple[bool, str]]:
    return {step.rule: (step.fired, step.why) for step in explain(policy, trial).steps}


def answer(**values: Any) -> TrialPrediction:
    return TrialPrediction.model_validate(values)


def test_every_rule_on_the_way_to_an_accept_says_why_it_did_not_fire() -> None:
    trial = Trial(prediction=answer(label="cat", score=0.9, margin=0.85), data={"source": "web"})
    assert rules_of(POLICY, trial) == {
        "control": (False, "the task has no id"),
        "holdout": (False, "the task has no id"),
        "routes[0]": (
            False,
            (
                "the predicted label is one of 'cat': yes, it is 'cat'; "
                "the task's source is one of 'web': yes, it is 'web'"
            ),
        ),
        "routes[1]": (
            False,
            "the margin between the two best labels is below 0.2: no, it is 0.85",
        ),
        "routes[2]": (False, "drawn at random (1.0% of the tasks): no"),
        "problem": (False, "there is a label with a score"),
        "never_label": (False, "the predicted label may be accepted"),
        "below_threshold": (False, "the score reaches the threshold"),
        "auto_accept": (True, "score 0.900 reaches the certified threshold 0.700"),
    }


def test_what_comes_after_the_rule_that_fired_was_not_asked() -> None:
    found = rules_of(POLICY, Trial(prediction=answer(label="cat", score=0.9)))
    fired = [rule for rule, (fires, _) in found.items() if fires]
    assert fired == ["routes[0]"]
    assert found["routes[1]"] == (False, "not asked: a rule before it decided")
    assert found["auto_accept"] == (False, "not asked: a rule before it decided")


def test_what_is_not_given_is_unknown() -> None:
    found = rules_of(POLICY, Trial(prediction=answer(), data={"source": ["web"]}))
    assert found["routes[0]"] == (
        False,
        (
            "the predicted label is one of 'cat': unknown, it is not given; "
            "the task's source is one of 'web': no, it is ['web']"
        ),
    )
    assert found["no_model"] == (True, "no model yet")


def test_probabilities_give_label_score_and_margin() -> None:
    prediction = answer(probabilities={"dog": 0.55, "cat": 0.45})
    decision = explain(POLICY, Trial(prediction=prediction)).decision
    assert (decision.label, decision.score, decision.rule) == ("dog", 0.55, "routes[1]")


@pytest.mark.parametrize(("threshold", "rule"), [(None, "auto_accept"), (0.95, "below_threshold")])
def test_the_threshold_is_the_floor_unless_it_is_given(threshold: float | None, rule: str) -> None:
    trial = Trial(prediction=answer(label="dog", score=0.9, margin=0.8), threshold=threshold)
    explanation = explain(POLICY, trial)
    assert explanation.decision.rule == rule
    assert explanation.threshold == (threshold or 0.7)


def test_a_task_with_an_id_is_drawn_as_it_would_be() -> None:
    prediction = answer(label="dog", score=0.9, margin=0.8)
    rules = [
        explain(POLICY, Trial(prediction=prediction, task_id=task_id)).decision.rule
        for task_id in range(1, 60)
    ]
    assert {"control", "holdout", "auto_accept"} <= set(rules)


def test_a_policy_that_accepts_nothing_has_no_threshold() -> None:
    policy = make_policy(routes=[], auto_accept="never")
    explanation = explain(policy, Trial(prediction=answer(label="dog", score=1)))
    assert explanation.threshold is None
    assert [step.rule for step in explanation.steps if step.fired] == ["auto_accept_never"]


TESTS = [
    {
        "name": "cats go to a senior",
        "task": {"source": None, "size": 3},
        "prediction": {"label": "cat", "score": 0.99},
        "expect": {"outcome": "review", "tier": "senior", "rule": "routes[0]"},
    },
    {
        "name": "dogs too",
        "prediction": {"label": "dog", "score": 0.99},
        "threshold": 0.9,
        "expect": {"outcome": "review", "tier": "senior"},
    },
]


def test_a_policys_tests_say_what_is_not_as_expected() -> None:
    first, second = run_tests(make_policy(routes=ROUTES, tests=TESTS))
    assert first.wrong == ()
    assert second.wrong == ("outcome is accept, not review", "tier is None, not senior")
    assert second.decision.rule == "auto_accept"


def test_tests_are_kept_in_the_file_and_decide_nothing() -> None:
    with_tests = make_policy(routes=ROUTES, tests=TESTS)
    assert parse_policy(dump_policy(with_tests)) == with_tests
    assert policy_hash(with_tests) == policy_hash(POLICY)


def test_every_signal_can_be_given_and_is_told() -> None:
    routes: list[dict[str, Any]] = [
        {"kind": "novelty", "above": 0.9, "tier": "senior"},
        {"kind": "near_duplicate", "above": 0.9, "tier": "senior"},
        {"kind": "version_disagreement", "tier": "senior"},
        {"kind": "model_disagreement", "tier": "senior"},
        {"kind": "upstream_disagreement", "field": "vendor", "tier": "senior"},
        {"kind": "region_count", "range": {"max": 2}, "tier": "senior"},
        {"kind": "lowest_region_score", "below": 0.5, "tier": "senior"},
    ]
    policy = make_policy(routes=routes, model={"second": {"kind": "llm", "model": "m"}})
    signals = {"novelty": 0.3, "near_duplicate": 0.2}
    signals |= {"version_disagreement": False, "model_disagreement": False}
    regions = {"region_count": 3, "lowest_region_score": 0.6}
    prediction = answer(label="cat", score=0.9, **signals, **regions)
    found = rules_of(policy, Trial(prediction=prediction, data={"vendor": "cat"}))
    assert [found[f"routes[{place}]"][1] for place in range(7)] == [
        "the distance to the training data is above 0.9: no, it is 0.3",
        "its similarity to a human-labelled task is above 0.9: no, it is 0.2",
        "the version that served before predicts another label: no",
        "the second model gives another answer: no",
        "the task's vendor holds another label: no, it is 'cat'",
        "the number of regions is 2 or less: no, it is 3",
        "the lowest score of a region is below 0.5: no, it is 0.6",
    ]
    nothing = rules_of(policy, Trial(prediction=answer(label="cat", score=0.9)))
    assert all(": unknown, it is not given" in nothing[f"routes[{place}]"][1] for place in range(7))
