"""The accuracy of a deployed model over time: what is told apart, and how often intervals hold."""

from __future__ import annotations

import doctest
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from audit_jobs.measures import production_accuracy
from audit_jobs.measures.production_accuracy import (
    Drawn,
    Given,
    accuracy_of,
    curve,
    measured,
    newest,
    period_names,
)
from policies.domain import BoolArray, FloatArray, IntArray, column


def drawn_of(
    rows: list[tuple[Any, ...]], slices: dict[str, list[str | None]] | None = None
) -> Drawn:
    """Rows of time, version, predicted label, share, truth."""
    at, versions, predicted, shares, truths = zip(*rows, strict=True) if rows else [()] * 5
    return Drawn(
        at=np.array(at, "datetime64[us]"),
        versions=column(versions),
        predicted=column(predicted),
        shares=np.array(shares, np.float64),
        truths=column(truths),
        right=np.array([said == true for said, true in zip(predicted, truths, strict=True)], bool),
        slices={field: column(values) for field, values in (slices or {}).items()},
    )


def given_of(
    rows: list[tuple[Any, ...]], slices: dict[str, list[str | None]] | None = None
) -> Given:
    """Rows of day, version, predicted label, count."""
    days, versions, predicted, counts = zip(*rows, strict=True) if rows else [()] * 4
    return Given(
        days=np.array(days, "datetime64[D]"),
        versions=column(versions),
        predicted=column(predicted),
        slices={field: column(values) for field, values in (slices or {}).items()},
        counts=np.array(counts, np.int64),
    )


ROWS = [
    ("2026-01-05T10:00", "v1", "A", 0.1, "A"),
    ("2026-01-31T23:59", "v1", "B", 0.5, "A"),
    ("2026-02-01T00:00", "v1", "A", 0.1, "A"),
    ("2026-02-02T00:00", "v2", "A", 0.1, None),
]
COUNTS = [
    ("2026-01-05", "v1", "A", 12),
    ("2026-01-31", "v1", "B", 2),
    ("2026-02-01", "v1", "A", 9),
    ("2026-02-02", "v2", "A", 10),
    ("2026-03-01", "v2", "B", 5),
]


def test_the_examples_in_the_text_are_right() -> None:
    result = doctest.testmod(production_accuracy)
    assert result.attempted
    assert not result.failed


def test_the_curve_has_a_point_for_each_period_and_each_version_in_it() -> None:
    points = curve(drawn_of(ROWS), given_of(COUNTS), "month")
    told = [
        (
            each.period,
            each.model_version,
            each.figure.answers,
            each.figure.drawn,
            each.figure.accuracy.n,
        )
        for each in points
    ]
    assert told == [
        ("2026-01", None, 14, 2, 2),
        ("2026-01", "v1", 14, 2, 2),
        ("2026-02", None, 19, 2, 1),
        ("2026-02", "v1", 9, 1, 1),
        ("2026-02", "v2", 10, 1, 0),
        ("2026-03", None, 5, 0, 0),
        ("2026-03", "v2", 5, 0, 0),
    ]
    january = points[0].figure.accuracy
    assert january.value == pytest.approx(
        10 / 12
    )  # the wrong one was drawn with 5 times the chance
    assert points[-1].figure.accuracy.value is None


def test_a_month_that_was_verified_whole_is_known_for_certain() -> None:
    rows = [("2026-01-05T10:00", "v1", "A", 1.0, "A" if place else "B") for place in range(10)]
    found = accuracy_of(drawn_of(rows), 10).accuracy
    assert (found.low, found.value, found.high) == (0.9, 0.9, 0.9)


def test_weeks_are_those_of_the_iso_calendar() -> None:
    times = np.array(["2025-12-28", "2025-12-29", "2027-01-03"], "datetime64[us]")
    assert period_names(times, "week").tolist() == ["2025-W52", "2026-W01", "2026-W53"]
    assert period_names(times[:0], "week").tolist() == []


def test_classes_slices_and_true_labels_are_told_apart() -> None:
    sites = ["x", None, "x", "y"]
    body = measured(
        drawn_of(ROWS, {"site": sites}),
        given_of(COUNTS, {"site": ["x", None, "x", "y", "y"]}),
        "month",
        listed=True,
    )
    assert (body["answers"], body["drawn"], body["verified"], body["unanswered"]) == (38, 4, 3, 1)
    assert body["by_class"]["A"]["accuracy"]["value"] == 1.0
    assert body["by_class"]["B"]["accuracy"] == pytest.approx(
        {"value": 0.0, "low": 0.0, "high": body["by_class"]["B"]["accuracy"]["high"], "n": 1}
    )
    assert {name: each["answers"] for name, each in body["by_slice"]["site"].items()} == {
        "x": 21,
        "y": 15,
        "": 2,
    }
    assert list(body["truth"]) == ["A"]
    assert list(body["by_version"]) == ["v1", "v2"]
    unlisted = measured(drawn_of(ROWS), given_of(COUNTS), "month", listed=False)
    assert unlisted["by_class"] == unlisted["truth"] == {}


def test_a_version_for_each_answer_makes_no_report_of_megabytes() -> None:
    day, versions = "2026-01-05", [f"v{n:04d}" for n in range(1_000)]
    drawn = drawn_of([(day, version, "A", 0.5, "A") for version in versions])
    given = given_of([(day, version, "A", 1 + place) for place, version in enumerate(versions)])
    body = measured(drawn, given, "month", listed=True)
    points = {point["model_version"]: point for point in body["curve"]}
    assert list(points) == [None, *versions[-20:]]
    assert points[None]["verified"] == 1_000
    assert list(body["by_version"]) == versions[-50:]


def test_without_any_answer_everything_is_undefined() -> None:
    body = measured(drawn_of([]), given_of([]), "week", listed=True)
    assert body["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert (body["curve"], body["by_version"], body["truth"]) == ([], {}, {})
    assert newest(drawn_of([]), 10).value is None


def test_the_newest_are_those_that_the_model_gave_last() -> None:
    rows = [("2026-01-05", "v1", "A", 0.1, "B"), ("2026-01-04", "v1", "A", 0.1, "A")]
    assert newest(drawn_of(rows), 1).value == 0.0


def test_a_hundred_thousand_verified_answers_are_no_trouble() -> None:
    n, source = 100_000, np.random.default_rng(1)
    at = np.datetime64("2026-01-01", "us") + source.integers(0, 10**13, n).astype("timedelta64[us]")
    labels = np.array(list("ABCDEFGH"), object)[source.integers(0, 8, n)]
    drawn = Drawn(
        at=at,
        versions=column(["v1"] * n),
        predicted=labels,
        shares=source.uniform(0.01, 1, n),
        truths=labels,
        right=np.ones(n, bool),
        slices={},
    )
    body = measured(drawn, given_of([("2026-01-01", "v1", "A", 10**9)]), "day", listed=True)
    assert body["verified"] == n


@dataclass(frozen=True, kw_only=True)
class Month:
    """A month of traffic: its classes, how often each is answered right, and how it is sampled."""

    classes: tuple[float, ...]
    accuracy: tuple[float, ...]
    shares: tuple[float, ...]
    answers: int
    answered: float = 1.0

    def simulated(
        self, source: np.random.Generator
    ) -> tuple[BoolArray, IntArray, FloatArray, BoolArray]:
        """What was right, its class, its share, and whether it was verified."""
        classes = source.choice(len(self.classes), self.answers, p=self.classes)
        right = source.random(self.answers) < np.array(self.accuracy)[classes]
        shares = np.array(self.shares)[classes]
        drawn = source.random(self.answers) < shares
        return right, classes, shares, drawn & (source.random(self.answers) < self.answered)


MONTHS = {
    "equal_shares": Month(
        classes=(0.6, 0.3, 0.1), accuracy=(0.96, 0.95, 0.93), shares=(0.02,) * 3, answers=10_000
    ),
    "floors_for_rare_classes": Month(
        classes=(0.7, 0.25, 0.045, 0.005),
        accuracy=(0.96, 0.95, 0.85, 0.7),
        shares=(0.005, 0.005, 0.02, 1.0),
        answers=20_000,
        answered=0.8,
    ),
    "raised_by_drift": Month(
        classes=(0.8, 0.2), accuracy=(0.97, 0.75), shares=(0.02, 0.06), answers=10_000
    ),
    "low_accuracy": Month(
        classes=(0.5, 0.5), accuracy=(0.7, 0.5), shares=(0.02,) * 2, answers=10_000, answered=0.6
    ),
    "thirty_verified": Month(
        classes=(0.6, 0.4), accuracy=(0.95, 0.9), shares=(0.03,) * 2, answers=1_000
    ),
    "thirty_verified_with_floors": Month(
        classes=(0.8, 0.15, 0.05),
        accuracy=(0.95, 0.9, 0.8),
        shares=(0.02, 0.05, 0.2),
        answers=1_000,
    ),
    "a_rule_for_low_scores": Month(
        classes=(0.9, 0.1), accuracy=(0.98, 0.6), shares=(0.01, 0.1), answers=20_000
    ),
    "regulated": Month(
        classes=(0.8, 0.2), accuracy=(0.97, 0.9), shares=(0.2, 0.5), answers=1_000, answered=0.9
    ),
}


@pytest.mark.simulation
@pytest.mark.parametrize("name", MONTHS)
def test_the_true_accuracy_of_the_month_lies_in_the_interval_as_often_as_it_says(name: str) -> None:
    month, source = MONTHS[name], np.random.default_rng(41)
    covered = []
    for _ in range(2_000):
        right, classes, shares, verified = month.simulated(source)
        labels = column([str(each) for each in classes[verified].tolist()])
        found = accuracy_of(
            Drawn(
                at=np.full(len(labels), np.datetime64("2026-01-01", "us")),
                versions=labels,
                predicted=labels,
                shares=shares[verified],
                truths=labels,
                right=right[verified],
                slices={},
            ),
            month.answers,
        ).accuracy
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= right.mean() <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97
