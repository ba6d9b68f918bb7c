"""Freezing: shares of the budget that never sum to more, and batches that keep the promise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from policies.certifying import Evidence
from policies.domain import Candidates
from policies.freezing import Lot, Terms, freeze_budget, frozen, grown, look, rule_of_freeze
from policies.promises import AutoAccept, LabelPromise
from tests.fakes.policy_documents import make_candidates

Scores = NDArray[np.floating[Any]]
RULE = AutoAccept(max_error_rate=0.05, confidence=0.9, floor=0.7)


@given(st.floats(0.5, 0.999, exclude_min=True), st.integers(1, 3_000))
def test_the_shares_never_sum_to_more_than_the_budget(confidence: float, freezes: int) -> None:
    shares = [freeze_budget(confidence, number) for number in range(1, freezes + 1)]
    assert sum(shares) <= (1 - confidence) * (1 + 1e-9)
    assert shares == sorted(shares, reverse=True)


def test_a_labels_own_confidence_is_split_too() -> None:
    rule = RULE.model_copy(
        update={"labels": {"a": LabelPromise(confidence=0.99), "b": LabelPromise()}}
    )
    second = rule_of_freeze(rule, 2, lots=2)
    assert second.confidence == pytest.approx(1 - 0.1 / 6 / 2)
    assert second.labels["a"].confidence == pytest.approx(1 - 0.01 / 6 / 2)
    assert second.labels["b"].confidence is None


def tasks(scores: Scores, labels: str = "a") -> Candidates:
    rows = [(n + 1, labels, score, None, None) for n, score in enumerate(scores.tolist())]
    return make_candidates(rows)


def lot(accepts: Scores, control: Scores, errors: int) -> Lot:
    answered = tasks(control)
    truth = answered.labels.copy()
    truth[:errors] = "b"
    return Lot(
        accepts=tasks(accepts),
        evidence=Evidence(control=answered, truth=truth, pool=tasks(accepts)),
    )


def terms(number: int = 1, threshold: float = 0.7, **changes: AutoAccept) -> Terms:
    return Terms(
        rule=changes.get("rule", RULE),
        number=number,
        says={"model": ["a", "b"]},
        review_cost=0.1,
        thresholds={("model", None): threshold},
        model_version="v1",
        slice_is_open=True,
    )


SURE = np.linspace(0.71, 0.99, 400)


def test_a_lot_that_is_proved_goes_along_and_one_that_is_not_stays() -> None:
    certificates = look(terms(), [lot(SURE, SURE, errors=0), lot(SURE, SURE, errors=200)])
    assert certificates is not None
    good, bad = certificates
    assert frozen(RULE, good, tasks(SURE)).all()
    assert not frozen(RULE, bad, tasks(SURE))[:200].any()
    assert {each.confidence for each in (*good, *bad)} == {1 - freeze_budget(0.9, 1) / 2}


def test_too_few_answers_or_nothing_to_freeze_are_no_look() -> None:
    assert look(terms(), [lot(SURE, SURE[:30], errors=0)]) is None
    assert look(terms(), [lot(SURE[:0], SURE, errors=0)]) is None
    assert look(terms(), [replace(lot(SURE, SURE, errors=0), again=True)]) is None
    assert look(terms(), []) is None


def test_a_lot_that_is_not_looked_at_takes_no_budget() -> None:
    certificates = look(terms(), [lot(SURE, SURE, errors=0), lot(SURE, SURE[:30], errors=0)])
    assert certificates is not None
    assert certificates[1] == ()
    assert certificates[0][0].confidence == 1 - freeze_budget(0.9, 1)


def test_whether_to_look_does_not_depend_on_what_the_answers_say() -> None:
    for errors in (0, 10, 400):
        assert look(terms(), [lot(SURE, SURE, errors=errors)]) is not None
        assert look(terms(), [lot(SURE, SURE[:30], errors=min(errors, 30))]) is None


def test_nothing_under_the_threshold_in_force_is_frozen() -> None:
    certificates = look(terms(threshold=0.8), [lot(SURE, SURE, errors=0)])
    assert certificates is not None
    ((certificate,),) = certificates
    assert certificate.threshold is not None
    assert certificate.threshold >= 0.8
    assert not frozen(RULE, certificates[0], tasks(SURE))[SURE < 0.8].any()
    higher = RULE.model_copy(update={"floor": 0.98})  # nor under the floor
    assert not frozen(higher, certificates[0], tasks(SURE))[SURE < 0.98].any()


def test_a_group_without_accepts_or_answers_proves_nothing() -> None:
    rule = RULE.model_copy(update={"labels": {"b": LabelPromise(max_error_rate=0.01)}})
    certificates = look(terms(rule=rule), [lot(SURE, SURE, errors=0)])
    assert certificates is not None
    thresholds = {each.label: each.threshold for each in certificates[0]}
    assert thresholds[None] is not None
    assert thresholds["b"] is None
    # Its answers do not fall to the others' certificate.
    assert not frozen(rule, certificates[0], tasks(SURE, "b")).any()


def test_another_look_waits_for_a_tenth_more_answers() -> None:
    assert [grown(answers, 100) for answers in (100, 109, 110, 200)] == [False, False, True, True]


@pytest.mark.simulation
def test_over_all_freezes_the_promise_breaks_as_rarely_as_it_may() -> None:
    """A model whose error rate is just above the promise at every threshold: each accept breaks it.

    Each freeze is of another version, with errors of its own. With the budget split, the chance
    that any of the freezes is wrong stays under 1 - confidence; with the whole budget for each it
    does not.
    """
    runs, freezes, answers = 200, 8, 400
    # The first freeze of this rule spends what a freeze would spend without splitting.
    whole = RULE.model_copy(update={"confidence": 1 - 2 * (1 - RULE.confidence)})
    pool = tasks(np.linspace(0.7, 1, 200))
    control = tasks(np.random.default_rng(0).uniform(0.7, 1, answers))

    def broken(rng: np.random.Generator, *, split: bool) -> bool:
        for number in range(1, freezes + 1):
            truth = np.where(rng.random(len(control)) < 0.0501, "b", control.labels)
            evidence = Evidence(control=control, truth=truth, pool=pool)
            asked = terms(number) if split else terms(1, rule=whole)
            certificates = look(asked, [Lot(accepts=pool, evidence=evidence)])
            if certificates is not None and frozen(RULE, certificates[0], pool).any():
                return True
        return False

    shares = {
        split: np.mean([broken(np.random.default_rng(seed), split=split) for seed in range(runs)])
        for split in (True, False)
    }
    error = (0.1 * 0.9 / runs) ** 0.5
    assert shares[True] <= 0.1 + 2 * error
    assert shares[False] > 0.1 + 2 * error
