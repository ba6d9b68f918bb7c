"""Which groups of answers are proved apart, with which share of the budget, and the yield."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.certifying import (
    Evidence,
    certify_promises,
    extended,
    missing,
    ready,
    told,
)
from policies.costs import Costs
from policies.domain import MODEL, Candidates, Certification
from policies.engine import decide
from policies.promises import AutoAccept, Promise, groups_of, least_answers, promises_of
from tests.fakes.policy_documents import make_candidates, make_certificate, make_policy

BASE = {"max_error_rate": 0.05, "confidence": 0.95}


def rule(**changes: object) -> AutoAccept:
    return AutoAccept.model_validate(BASE | changes)


def groups(promises: tuple[Promise, ...]) -> list[tuple[str, str | None]]:
    return [(promise.predictor, promise.label) for promise in promises]


def test_without_more_there_is_one_promise_over_all_of_the_models_answers() -> None:
    (promise,) = promises_of(rule(), {MODEL: ("cat", "dog")}, 0.1)
    assert (promise.predictor, promise.label) == (MODEL, None)
    assert (promise.max_error_rate, promise.costs) == (0.05, None)
    assert promise.confidence == pytest.approx(0.95)


def test_labels_of_their_own_leave_the_rest_to_one_promise() -> None:
    own = rule(labels={"dog": {"max_error_rate": 0.01, "cost_of_error": 9.0}}, cost_of_error=2.0)
    rest, dog = promises_of(own, {MODEL: ("cat", "dog", "owl")}, 0.1)
    assert groups((rest, dog)) == [(MODEL, None), (MODEL, "dog")]
    assert (rest.max_error_rate, dog.max_error_rate) == (0.05, 0.01)
    assert (rest.costs, dog.costs) == (Costs(error=2.0, review=0.1), Costs(error=9.0, review=0.1))


def test_each_label_is_a_group_but_those_that_are_never_accepted() -> None:
    each = rule(each_label=True, never=["owl"])
    found = promises_of(each, {MODEL: ("cat", "dog", "owl")}, 0.1)
    assert groups(found) == [(MODEL, "cat"), (MODEL, "dog")]


def test_rules_of_automation_are_proved_apart_from_the_model() -> None:
    own = rule(labels={"dog": {"max_error_rate": 0.01}})
    says = {MODEL: ("cat", "dog"), "language": ("dog",), "format": ("cat",)}
    assert groups(promises_of(own, says, 0.1)) == [
        (MODEL, None),
        (MODEL, "dog"),
        ("language", "dog"),
        ("format", None),
    ]


def test_a_label_with_a_confidence_of_its_own_spends_nothing_of_the_budget() -> None:
    own = rule(labels={"dog": {"confidence": 0.99}})
    rest, dog = promises_of(own, {MODEL: ("cat", "dog")}, 0.1)
    assert rest.confidence == pytest.approx(0.95)
    assert dog.confidence == pytest.approx(0.99)


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), unique=True, min_size=1),
    st.sets(st.sampled_from(["a", "b", "x"])),
    st.booleans(),
    st.integers(1, 3),
)
def test_the_budget_is_spent_whole_and_never_more(
    labels: list[str],
    own: set[str],
    each: bool,  # noqa: FBT001 - hypothesis gives it
    predictors: int,
) -> None:
    chosen = rule(each_label=each, labels={label: {} for label in own})
    says = {f"p{number}": labels for number in range(predictors)}
    found = promises_of(chosen, says, 0.1)
    assert sum(1 - promise.confidence for promise in found) == pytest.approx(0.05)


def test_every_answer_belongs_to_its_labels_group_or_its_predictors_rest() -> None:
    answers = make_candidates([(n, label, 0.9, None, None) for n, label in enumerate("abcab")])
    by = np.array([MODEL, MODEL, "language", "language", "format"], object)
    answers = Candidates(
        task_ids=answers.task_ids,
        labels=answers.labels,
        scores=answers.scores,
        problems=answers.problems,
        fields={},
        predictors=by,
    )
    own = rule(labels={"b": {}, "c": {}})
    keys = [(MODEL, None), (MODEL, "b"), ("language", None)]
    assert groups_of(own, keys, answers).tolist() == [0, 1, -1, 2, -1]


def test_each_group_is_decided_by_its_own_threshold() -> None:
    policy = make_policy(routes=[], auto_accept=BASE | {"labels": {"dog": {}}})
    rows = [(5, "cat", 0.85, None, None), (5, "dog", 0.85, None, None)]
    certification = Certification(
        model_version="m1",
        certificates=(make_certificate(0.8), make_certificate(0.9, label="dog")),
    )
    decided = decide(policy, make_candidates(rows), certification, model_version="m1")
    assert decided.rules.tolist() == ["auto_accept", "below_threshold"]
    assert decided.thresholds.tolist() == [0.8, 0.9]


def test_a_label_without_a_certificate_waits_while_another_is_accepted() -> None:
    policy = make_policy(routes=[], auto_accept=BASE | {"each_label": True})
    rows = [(5, "cat", 0.85, None, None), (5, "dog", 0.85, None, None)]
    certification = Certification(
        model_version="m1", certificates=(make_certificate(0.8, label="cat"),)
    )
    decided = decide(policy, make_candidates(rows), certification, model_version="m1")
    assert decided.rules.tolist() == ["auto_accept", "no_certificate"]
    assert decided[1].reason == "no threshold is certified yet for 5.0% errors at 95.0% confidence"


def test_a_label_of_its_own_never_falls_back_on_what_was_proved_for_the_others() -> None:
    policy = make_policy(routes=[], auto_accept=BASE | {"labels": {"dog": {}}})
    rows = [(5, "cat", 0.99, None, None), (5, "dog", 0.99, None, None)]
    certification = Certification(model_version="m1", certificates=(make_certificate(0.8),))
    decided = decide(policy, make_candidates(rows), certification, model_version="m1")
    assert decided.rules.tolist() == ["auto_accept", "no_certificate"]


def test_a_labels_stricter_promise_is_not_covered_by_the_projects() -> None:
    policy = make_policy(
        routes=[], auto_accept=BASE | {"labels": {"dog": {"max_error_rate": 0.01}}}
    )
    certification = Certification(
        model_version="m1", certificates=(make_certificate(0.8, label="dog"),)
    )
    rows = [(5, "dog", 0.99, None, None)]
    decided = decide(policy, make_candidates(rows), certification, model_version="m1")
    assert decided[0].reason == (
        "the certificate is for 5.0% at 95.0%, the policy now asks for 1.0% errors at "
        "95.0% confidence"
    )


def evidence_of(labels: list[str], wrong_rate: dict[str, float], n: int, seed: int) -> Evidence:
    rng = np.random.default_rng(seed)

    def drawn(size: int) -> Candidates:
        said = rng.choice(np.array(labels, object), size)
        return make_candidates(
            [
                (k, label, float(s), None, None)
                for k, (label, s) in enumerate(zip(said, rng.uniform(0.7, 1, size), strict=True))
            ]
        )

    control, pool = drawn(n), drawn(n)
    wrong = rng.random(n) < np.array([wrong_rate[label] for label in control.labels])
    truth = np.where(wrong, "other", control.labels)
    return Evidence(control=control, truth=truth, pool=pool)


def test_one_promise_over_all_hides_a_bad_label_and_one_for_each_does_not() -> None:
    rates = {"cat": 0.01, "dog": 0.01, "owl": 0.20}
    labels = [*["cat"] * 9, *["dog"] * 9, "owl"]
    together, apart = rule(), rule(each_label=True)
    says = {MODEL: ("cat", "dog", "owl")}
    hidden = bad = 0
    for seed in range(30):
        evidence = evidence_of(labels, rates, 3_000, seed)
        for chosen in (together, apart):
            promises = promises_of(chosen, says, 0.1)
            found = certify_promises(chosen, promises, evidence, model_version="m1")
            lets = Certification(model_version="m1", certificates=found).thresholds
            hidden += (MODEL, None) in lets
            bad += (MODEL, "owl") in lets
    assert hidden == 30
    assert bad == 0


def test_an_expensive_error_takes_a_stricter_threshold_than_a_cheap_one() -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.7, 1, 4_000)
    rows = [(k, "cat", float(score), None, None) for k, score in enumerate(scores)]
    answers = make_candidates(rows)
    wrong = rng.random(len(scores)) < 0.3 * (1 - scores)
    evidence = Evidence(control=answers, truth=np.where(wrong, "dog", answers.labels), pool=answers)
    thresholds = []
    for price in (None, 0.5, 20.0):
        priced = rule(cost_of_error=price)
        (promise,) = promises_of(priced, {MODEL: ("cat",)}, 0.5)
        (found,) = certify_promises(priced, [promise], evidence, model_version="m1")
        assert found.threshold is not None
        thresholds.append(found.threshold)
    assert thresholds[0] <= thresholds[1] < thresholds[2]


def test_a_group_is_looked_at_when_it_has_answers_enough_and_only_once() -> None:
    each = rule(each_label=True)
    promises = promises_of(each, {MODEL: ("cat", "dog")}, 0.1)
    least = least_answers(promises[0])
    rows = [(k, "cat", 0.9, None, None) for k in range(2 * least)]
    rows += [(k, "dog", 0.9, None, None) for k in range(2 * least - 1)]
    answered = make_candidates(rows)
    (due,) = ready(each, promises, answered, slice_is_open=True)
    assert due.label == "cat"
    assert len(ready(each, promises, answered, slice_is_open=False)) == 2
    looked = extended(None, [make_certificate(None, label="cat")], "m1")
    assert [each.label for each in missing(promises, looked)] == ["dog"]
    both = extended(looked, [make_certificate(0.9, label="dog")], "m1")
    assert missing(promises, both) == []
    assert both.thresholds == {(MODEL, "dog"): 0.9}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "scores from 0.800: 6 errors in 300 of 600 control answers, so at most 5.0% are wrong",
        ),
        ({"threshold": None, "labels_needed": 1_250}, "nothing: no threshold could be certified"),
        ({"label": "dog", "predictor": "language"}, "'dog' by language: scores from 0.800"),
        ({"predictor": "language"}, "by language: scores from 0.800"),
    ],
)
def test_a_certificate_in_words(changes: dict[str, object], words: str) -> None:
    assert told(make_certificate(**changes), 0.7).startswith(words)  # type: ignore[arg-type]  # parametrize knows no types
