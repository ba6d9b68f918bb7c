"""Months sampled as the policy samples them: how often the true accuracy lies in the interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from audit_jobs.measures.production_accuracy import Drawn, accuracy_of
from policies.domain import BoolArray, Candidates, FloatArray, column
from policies.drift import RaisedSlice
from policies.monitoring_shares import Answers, Traffic, sample
from policies.schema import Policy
from tests.fakes.worked_project import worked_policy

DAYS = 30
FIRST = 739_000  # a day's number


@dataclass(frozen=True, kw_only=True)
class Production:
    """How many answers of each class a day brings, how often each is right, and what drifted."""

    a_day: tuple[int, ...]
    accuracy: tuple[float, ...]
    monitoring: dict[str, object]
    raised: tuple[RaisedSlice, ...] = ()
    answered: float = 0.8

    def month(
        self, policy: Policy, source: np.random.Generator
    ) -> tuple[BoolArray, FloatArray, BoolArray]:
        """What was right, the share of each answer, and which of them people verified."""
        counts = source.poisson(self.a_day, (DAYS, len(self.a_day)))
        classes = np.concatenate([np.repeat(np.arange(len(self.a_day)), day) for day in counts])
        days = FIRST + np.repeat(np.arange(DAYS), counts.sum(axis=1))
        n = len(classes)
        names = np.array([f"c{place}" for place in range(len(self.a_day))], object)
        answers = Answers(
            candidates=Candidates(
                task_ids=source.integers(1, 2**62, n),
                labels=names[classes],
                scores=np.full(n, np.nan),
                problems=column([None] * n),
                fields={},
            ),
            days=days,
            slices={},
        )
        traffic = Traffic()
        traffic.count(answers)
        found = sample(policy, answers, traffic, self.raised)
        right = source.random(n) < np.array(self.accuracy)[classes]
        return right, found.shares, found.drawn & (source.random(n) < self.answered)


PRODUCTIONS = {
    "a_share_alone": Production(
        a_day=(120, 60, 20), accuracy=(0.96, 0.94, 0.9), monitoring={"share": 0.02, "each_class": 0}
    ),
    "classes_have_floors": Production(
        a_day=(180, 60, 5, 1),
        accuracy=(0.96, 0.94, 0.8, 0.6),
        monitoring={"share": 0.02, "each_class": 10},
    ),
    "a_slice_drifted": Production(
        a_day=(150, 50),
        accuracy=(0.97, 0.75),
        monitoring={"share": 0.02, "each_class": 10},
        raised=(RaisedSlice(factor=3.0, most=0.5, label="c1"),),
    ),
    "accuracy_is_low": Production(
        a_day=(100, 50), accuracy=(0.65, 0.4), monitoring={"share": 0.03, "each_class": 10}
    ),
    "thirty_are_verified": Production(
        a_day=(30, 15), accuracy=(0.95, 0.9), monitoring={"share": 0.03, "each_class": 0}
    ),
}


@pytest.mark.simulation
@pytest.mark.parametrize("name", PRODUCTIONS)
def test_the_true_accuracy_of_a_sampled_month_lies_in_the_interval(name: str) -> None:
    production, source, covered = PRODUCTIONS[name], np.random.default_rng(61), []
    policy = worked_policy(monitoring=production.monitoring)
    for _ in range(600):
        right, shares, verified = production.month(policy, source)
        texts = column(["c"] * int(verified.sum()))
        found = accuracy_of(
            Drawn(
                at=np.full(len(texts), np.datetime64("2026-01-01", "us")),
                versions=texts,
                predicted=texts,
                shares=shares[verified],
                truths=texts,
                right=right[verified],
                slices={},
            ),
            len(right),
        ).accuracy
        assert found.low is not None
        assert found.high is not None
        covered.append(found.low <= right.mean() <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97
