"""Tests of two samples, their adjustment, label shift, and what columns are taken for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, false_discovery_control, fisher_exact

from audit_jobs.drift.columns import Kind, kind_of, probability_columns, without_missing
from audit_jobs.drift.features import as_column, image_features, text_features
from audit_jobs.measures.drift import (
    MOST_CATEGORIES,
    Categories,
    Method,
    Numbers,
    category_counts,
    classifier_finding,
    findings_of,
    verdict,
)
from audit_jobs.measures.estimated_accuracy import estimated_accuracy
from audit_jobs.measures.label_shift import label_shares, true_shares
from audit_jobs.measures.multiple_tests import adjusted_known
from audit_jobs.measures.two_samples import counts_differ, stability_index, told_apart


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_adjustment_is_that_of_scipy(p_values: list[float]) -> None:
    expected = false_discovery_control(p_values)
    assert adjusted_known(p_values) == pytest.approx(tuple(expected))


def test_what_was_not_tested_stays_out_of_the_adjustment() -> None:
    assert adjusted_known([None, 0.02, None, 0.04]) == (None, 0.04, None, 0.04)
    assert adjusted_known([]) == ()


def test_large_counts_have_the_p_value_of_chi_square() -> None:
    before, after = np.array([100, 200, 300]), np.array([90, 130, 150])
    expected = chi2_contingency(np.vstack([before, after]), correction=False).pvalue
    assert counts_differ(before, after, seed=0) == pytest.approx(expected)


def test_small_counts_have_the_p_value_of_an_exact_test() -> None:
    before, after = np.array([0, 30]), np.array([6, 24])
    exact = fisher_exact(np.vstack([before, after])).pvalue
    found = [counts_differ(before, after, seed) for seed in range(20)]
    assert np.mean(found) == pytest.approx(exact, rel=0.25)


@pytest.mark.simulation
def test_sparse_counts_alarm_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(150, 0.7))
    p_values = [
        counts_differ(rng.multinomial(400, shares), rng.multinomial(300, shares), seed)
        for seed in range(400)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.07
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.08)


@pytest.mark.simulation
def test_a_classifier_on_one_split_alarms_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    p_values = [
        told_apart(rng.normal(size=(200, 20)), rng.normal(size=(200, 20)), seed)[1]
        for seed in range(100)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    area, p_value = told_apart(rng.normal(size=(300, 20)), rng.normal(0.3, size=(300, 20)), seed=1)
    assert area > 0.6
    assert p_value < 0.001


@pytest.mark.simulation
def test_psi_without_drift_is_as_large_as_is_said() -> None:
    rng = np.random.default_rng(5)
    shares = np.full(10, 0.1)
    found = [
        stability_index(rng.multinomial(400, shares), rng.multinomial(400, shares))
        for _ in range(2_000)
    ]
    assert np.mean([psi for psi, _ in found]) == pytest.approx(found[0][1], rel=0.1)


def test_few_values_are_not_tested() -> None:
    few = Numbers(name="x", reference=np.ones(10), current=np.zeros(500))
    assert findings_of(few, 0)[0].test is Method.TOO_FEW
    assert classifier_finding(np.ones((50, 2)), np.ones((500, 2)), 0).test is Method.TOO_FEW
    nothing = Categories(name="y", reference=as_column([]), current=as_column([]))
    assert findings_of(nothing, 0)[0].p_value is None
    assert verdict([*findings_of(few, 0), *findings_of(nothing, 0)], 0.05)[0] is False


def test_constants_are_not_tested_but_a_changed_constant_is() -> None:
    same = Numbers(name="x", reference=np.ones(50), current=np.ones(50))
    assert findings_of(same, 0)[0].test is Method.CONSTANT
    moved = Numbers(name="x", reference=np.ones(50), current=np.full(50, 2.0))
    assert findings_of(moved, 0)[0].p_value == pytest.approx(0, abs=1e-9)
    one = Categories(name="y", reference=as_column(["a"] * 50), current=as_column(["a"] * 60))
    assert findings_of(one, 0)[0].test is Method.CONSTANT


def test_missing_numbers_are_a_finding_of_their_own() -> None:
    rng = np.random.default_rng(6)
    before, after = rng.normal(size=200), rng.normal(size=200)
    after[:60] = np.nan
    values, missing = findings_of(Numbers(name="x", reference=before, current=after), 0)
    assert values.p_value is not None
    assert values.p_value > 0.01
    assert values.current == 140
    assert missing.name == "x is missing"
    assert missing.p_value is not None
    assert missing.p_value < 1e-6


def test_new_categories_are_named_and_rare_ones_are_put_together() -> None:
    before, after = as_column(["a", "b"] * 50), as_column(["a", "b", "c", None] * 25)
    found = findings_of(Categories(name="y", reference=before, current=after), 0)[0]
    assert found.note == "new: (missing), c"
    many = as_column([f"v{number}" for number in range(2_000)])
    names, counts, _ = category_counts(Categories(name="y", reference=many, current=many))
    assert len(names) == MOST_CATEGORIES
    assert counts.sum() == 2_000


def test_em_finds_the_shares_that_counting_misses() -> None:
    rng = np.random.default_rng(7)
    prior, now = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    truth = rng.choice(3, 4_000, p=now)
    seen = rng.normal(size=(4_000, 3)) * 0.9 + np.eye(3)[truth]
    likelihoods = np.exp(-((seen[:, None, :] - np.eye(3)[None]) ** 2).sum(2) / (2 * 0.81))
    probabilities = likelihoods * prior
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    counted = np.bincount(probabilities.argmax(axis=1), minlength=3) / 4_000
    estimated = true_shares(probabilities, prior)
    assert np.abs(estimated - now).sum() < 0.08
    assert np.abs(counted - now).sum() > 0.2


def test_em_lives_with_a_label_that_is_never_likely() -> None:
    probabilities = np.array([[1.0, 0.0], [0.6, 0.4]])
    shares = true_shares(probabilities, np.array([1.0, 0.0]))
    assert np.isfinite(shares).all()
    assert shares.sum() == pytest.approx(1)


def test_labels_that_rose_are_told_from_those_that_fell() -> None:
    shares = label_shares({"a": 500, "b": 500}, {"a": 100, "b": 300, "c": 100})
    rose = {each.label: each.rose(0.05) for each in shares}
    assert rose == {"a": False, "b": True, "c": True}
    assert label_shares({}, {}) == []


def test_the_accuracy_of_overconfidence_is_corrected() -> None:
    rng = np.random.default_rng(8)
    confidence = np.full(2_000, 0.95)
    answered = np.full(200, 0.95)
    right = rng.random(200) < 0.8
    bare = estimated_accuracy(confidence, answered[:0], right[:0])
    assert bare.value == pytest.approx(0.95)
    corrected = estimated_accuracy(confidence, answered, right)
    assert corrected.low is not None
    assert corrected.high is not None
    assert corrected.low < 0.8 < corrected.high
    assert corrected.n == 2_000
    assert estimated_accuracy(confidence[:0], answered, right).value is None


def test_what_columns_are_taken_for() -> None:
    ids = [f"clinc{number}" for number in range(100)]
    words = [f"some words that number {number} says" for number in range(100)]
    numbers = [str(number * 1.5) for number in range(100)]
    assert kind_of("code", ids, ids) is Kind.ID
    assert kind_of("task_id", ["a"] * 50, ["a"] * 50) is Kind.ID
    assert kind_of("row", list(map(str, range(50))), list(map(str, range(50)))) is Kind.ID
    assert kind_of("text", words, words) is Kind.TEXT
    assert kind_of("text", ["多くの人が毎日電車に乗ります"] * 3, ["犬は公園で走る"]) is Kind.TEXT
    assert kind_of("price", numbers, numbers) is Kind.NUMBER
    assert kind_of("stars", ["1", "5"] * 50, ["3"] * 50) is Kind.CATEGORY
    assert kind_of("label", ids, ids) is Kind.CATEGORY
    assert kind_of("source", ["mail", "chat"] * 50, ["mail"] * 50) is Kind.CATEGORY
    assert kind_of("phrase", ["yes please", "no thanks"] * 50, ["yes please"] * 9) is Kind.CATEGORY
    assert kind_of("nothing", [None, None], [None]) is Kind.EMPTY
    assert without_missing(["x", "", " NaN ", "null", "0"]) == ["x", None, None, None, "0"]


def test_probabilities_are_columns_that_sum_to_one() -> None:
    rows = np.array([[0.2, 0.8], [0.5, 0.5]])
    columns = {f"p_{name}": (rows[:, at], rows[:, at]) for at, name in enumerate("ab")}
    assert probability_columns(columns) == ["p_a", "p_b"]
    assert probability_columns({**columns, "p_c": (rows[:, 0], rows[:, 0])}) == []
    assert probability_columns({"p_a": columns["p_a"]}) == []


def test_texts_without_words_or_of_one_kind_have_no_topics() -> None:
    found = text_features("text", [""] * 40, ["..."] * 40)
    assert [each.name for each in found.tested] == [
        "text: characters",
        "text: words",
        "text: language",
    ]
    same = text_features("text", ["one text alone"] * 40, ["one text alone"] * 40)
    assert len(same.tested) == 3
    assert text_features("text", [], []).reference_rows.shape == (0, 0)


def test_darker_images_are_told() -> None:
    rng = np.random.default_rng(9)
    bright, dark = rng.random((200, 48)), rng.random((200, 48)) * 0.8
    found = image_features("image", bright, dark)
    findings = [finding for each in found.tested for finding in findings_of(each, 0)]
    drifted, told = verdict(findings, 0.05)
    assert drifted
    assert {each.name for each in told if (each.p_adjusted or 1) < 0.05} >= {"image: brightness"}
