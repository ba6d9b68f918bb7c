"""Auditors' errors from second looks, and the pass rate without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from audit_jobs.measures.auditor_error import AuditorError, auditor_error
from policies.domain import Estimate
from policies.intervals import UNKNOWN


def measured(
    rows: Sequence[tuple[bool, bool | None]], share: float = 1.0, **more: Any
) -> AuditorError:
    """Of (found wrong, wrong again or None) for each audit; passes are looked at with ``share``."""
    found = np.array([first for first, _ in rows], bool)
    return auditor_error(
        found_wrong=found,
        looked_again=np.array([second is not None for _, second in rows], bool),
        wrong_again=np.array([bool(second) for _, second in rows], bool),
        second_probabilities=np.where(found, 1.0, share),
        **more,
    )


def test_where_everything_is_looked_at_again_it_is_plain_counting() -> None:
    caught = [(True, True)] * 9 + [(True, False)] * 3
    found = measured([*caught, (False, True), *[(False, False)] * 87])
    assert found.sensitivity.value == pytest.approx(9 / 10)
    assert found.specificity.value == pytest.approx(87 / 90)
    assert found.pass_rate.value == pytest.approx(90 / 100)
    assert (found.sensitivity.n, found.specificity.n, found.pass_rate.n) == (10, 90, 100)
    assert found.reason is None


def test_it_is_rogan_and_gladens_formula_of_a_sample_of_the_passes() -> None:
    rows: list[tuple[bool, bool | None]] = [*[(True, True)] * 18, *[(True, False)] * 12]
    rows += [(False, True)] * 1 + [(False, False)] * 96 + [(False, None)] * 873
    found = measured(rows, share=0.1)
    sensitivity, specificity = found.sensitivity.value, found.specificity.value
    assert sensitivity is not None
    assert specificity is not None
    assert sensitivity == pytest.approx(18 / 28)
    wrong = (30 / 1000 + specificity - 1) / (sensitivity + specificity - 1)
    assert found.pass_rate.value == pytest.approx(1 - wrong)


def test_audits_count_what_they_stand_for() -> None:
    rows = [(True, True), (False, False), (True, False), (False, True)]
    chances = np.array([0.1, 0.1, 0.5, 0.5])
    found = measured(rows, inclusion_probabilities=chances)
    assert found.sensitivity.value == pytest.approx(10 / 12)
    assert found.pass_rate.value == pytest.approx(12 / 24)


def test_the_interval_is_honest_where_the_sample_saw_no_missed_error() -> None:
    rows: list[tuple[bool, bool | None]] = [*[(True, True)] * 10, *[(False, False)] * 50]
    rows += [(False, None)] * 440
    found = measured(rows, share=0.1)
    assert found.sensitivity.value == 1
    assert found.sensitivity.low is not None
    assert found.sensitivity.low < 0.5  # fifty passes cannot rule out that 4 % of them are wrong
    assert found.pass_rate.value == pytest.approx(0.98)
    assert found.pass_rate.low is not None
    assert found.pass_rate.low < 0.95


def test_the_same_audits_have_the_same_interval() -> None:
    rows = [(True, True)] * 3 + [(False, False)] * 40
    assert measured(rows) == measured(rows)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no audits yet"),
        ([(True, None), (False, None)], "no second looks yet"),
        ([(True, None), (False, False)], "no found error has had"),
        ([(True, True), (False, None)], "no pass has had"),
    ],
)
def test_what_is_lacking_is_said(rows: list[tuple[bool, bool | None]], says: str) -> None:
    found = measured(rows)
    assert (found.sensitivity, found.specificity, found.pass_rate) == (UNKNOWN,) * 3
    assert found.reason is not None
    assert says in found.reason


def test_where_nothing_is_wrong_only_the_sensitivity_is_unknown() -> None:
    found = measured([(False, False)] * 60)
    assert found.sensitivity == Estimate(value=None, low=None, high=None, n=0)
    assert (found.specificity.value, found.pass_rate.value) == (1, 1)
    assert found.pass_rate.low is not None
    assert 0.9 < found.pass_rate.low < 1
    assert found.reason is not None
    assert "no second look saw a wrong label" in found.reason


def test_auditors_who_guess_correct_nothing() -> None:
    rows = [(True, True)] * 2 + [(True, False)] * 48 + [(False, True)] * 8 + [(False, False)] * 42
    found = measured(rows)
    assert found.pass_rate.value is None
    assert found.pass_rate.n == 100
    assert found.reason is not None
    assert "as often" in found.reason


def test_a_hundred_thousand_audits_are_no_trouble() -> None:
    source = np.random.default_rng(1)
    wrong = source.random(100_000) < 0.02
    found = auditor_error(
        found_wrong=wrong,
        looked_again=np.ones(100_000, bool),
        wrong_again=wrong,
        second_probabilities=np.ones(100_000),
        inclusion_probabilities=source.uniform(0.01, 1, 100_000),
    )
    assert found.pass_rate.value == pytest.approx(0.98, abs=0.005)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("second_probabilities", [0.0, 1.0], "a second probability"),
        ("second_probabilities", [float("nan"), 1.0], "a second probability"),
        ("inclusion_probabilities", [1.5, 1.0], "an inclusion probability"),
        ("inclusion_probabilities", [1.0], "differ in length"),
    ],
)
def test_what_is_no_chance_is_refused(name: str, values: list[float], says: str) -> None:
    columns: dict[str, Any] = {
        "found_wrong": np.array([True, False]),
        "looked_again": np.array([True, True]),
        "wrong_again": np.array([True, False]),
        "second_probabilities": np.array([1.0, 1.0]),
    }
    with pytest.raises(ValueError, match=says):
        auditor_error(**columns | {name: np.array(values)})


@pytest.mark.simulation
@pytest.mark.parametrize(("audits", "share"), [(1_000, 0.2), (2_000, 0.1), (5_000, 0.1)])
def test_the_intervals_cover_as_often_as_they_say(audits: int, share: float) -> None:
    """2 % is wrong, auditors find nine in ten of it, and 1.5 % of what is right."""
    source = np.random.default_rng(31)
    truths = {"sensitivity": 0.90, "specificity": 0.985, "pass_rate": 0.98}
    covered: dict[str, list[bool]] = {name: [] for name in truths}
    values, plain = [], []
    for _ in range(800):
        wrong = source.random(audits) < 0.02
        found = source.random(audits) < np.where(wrong, 0.90, 0.015)
        again = found | (source.random(audits) < share)
        result = auditor_error(
            found_wrong=found,
            looked_again=again,
            wrong_again=wrong,
            second_probabilities=np.where(found, 1.0, share),
        )
        values.append(result.pass_rate.value)
        plain.append(1 - found.mean())
        for name, truth in truths.items():
            estimate: Estimate = getattr(result, name)
            assert estimate.low is not None
            assert estimate.high is not None
            covered[name].append(estimate.low <= truth <= estimate.high)
    assert 0.93 <= np.mean(covered["pass_rate"]) <= 0.97
    assert 0.93 <= np.mean(covered["specificity"]) <= 0.97
    assert 0.93 <= np.mean(covered["sensitivity"]) <= 0.985  # of a handful of missed errors
    assert np.mean(np.array(values, float)) == pytest.approx(0.98, abs=0.0005)
    assert np.mean(plain) == pytest.approx(1 - 0.0327, abs=0.0005)  # what auditors say
