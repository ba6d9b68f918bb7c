"""Figures of a whole project from a sample: exact where it is whole, covering where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from policies.audit_plan import lacking_audits
from policies.domain import Candidates, Estimate, part_of
from policies.planning import History, Plan, changes, plan
from policies.promises import AutoAccept
from policies.safeguards import Safeguards
from policies.samples import Sample, figures_of, first_audits
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy

WHOLE = 12_000


def column(values: Any) -> Any:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def history(first_id: int, n: int, *, seed: int) -> History:
    rng = np.random.default_rng(seed)
    scores = rng.beta(5, 1, n)
    said = rng.choice(["a", "b"], n)
    wrong = rng.random(n) < 0.3 * (1 - scores)
    truth = np.where(wrong, np.where(said == "a", "b", "a"), said)
    return History(
        candidates=Candidates(
            task_ids=np.arange(first_id, first_id + n),
            labels=column(said.tolist()),
            scores=scores,
            problems=column([None] * n),
            fields={},
        ),
        labels=column(truth.tolist()),
        tiers=column([None] * n),
        lead_times=np.full(n, np.nan),
    )


def part(whole: History, places: Any) -> History:
    return History(
        candidates=part_of(whole.candidates, places),
        labels=whole.labels[places],
        tiers=whole.tiers[places],
        lead_times=whole.lead_times[places],
    )


def accepting(**changed: Any) -> Policy:
    values: dict[str, Any] = {
        "routes": [],
        "auto_accept": {"max_error_rate": 0.05, "confidence": 0.95},
        "agreement": {"share": 0.2, "overlap": 2},
        "prices": {"tooling_per_label": 0.05, "compute_per_prediction": 0.001},
    }
    return make_policy(**(values | changed))


def planned(policy: Policy, of: History, evidence: History, sample: Sample) -> Plan:
    audits = first_audits(policy, {"a", "b"}, sample)
    return plan(policy, of, evidence, safeguards=Safeguards(audits=audits))


EVIDENCE = history(10**6, 8_000, seed=1)
ALL = history(0, WHOLE, seed=2)
COMPLETE = Sample(numbers=WHOLE, drawn=WHOLE, tasks=WHOLE)


def test_of_a_whole_project_the_figures_are_those_of_the_plan() -> None:
    policy = accepting()
    found = planned(policy, ALL, EVIDENCE, COMPLETE)
    assert found.decisions.rules.tolist() == plan(policy, ALL, EVIDENCE).decisions.rules.tolist()
    assert found.as_json(None) == plan(policy, ALL, EVIDENCE).as_json(None)
    other = planned(accepting(auto_accept="never"), ALL, EVIDENCE, COMPLETE)
    changed = changes(found.decisions, other.decisions)
    figures = figures_of(policy, found, COMPLETE, changed)
    assert figures.accepted == Estimate(
        value=found.accepted, low=found.accepted, high=found.accepted, n=WHOLE
    )
    assert figures.accepted_share.value == found.accepted_share
    assert figures.cost == found.cost
    assert figures.cost_total.low == figures.cost_total.high == pytest.approx(found.cost.total)
    assert figures.cost_all_manual == found.cost_all_manual
    assert figures.saving_share == found.saving_share
    assert {each.name: each.days for each in figures.tiers} == found.days
    assert {each.name: round(each.looks.value or 0) for each in figures.tiers} == found.looks
    assert figures.changed is not None
    assert figures.changed.value == changed > 0


def test_half_of_a_project_counts_twice() -> None:
    sample = Sample(numbers=1_000, drawn=500, tasks=400)
    assert sample.count(100).value == 200
    assert sample.share(100).value == 0.25
    assert sample.total(np.full(400, 0.5)).value == 400
    everything = Sample(numbers=0, drawn=0, tasks=0)
    assert everything.complete
    assert everything.count(0).value == 0
    assert everything.share(0).value is None


def test_what_a_claim_lacks_falls_on_the_sample_by_its_part() -> None:
    policy = accepting()
    rule = policy.auto_accept
    assert isinstance(rule, AutoAccept)
    whole = lacking_audits(rule, drawn=0, answered=0, errors=0)
    complete = first_audits(policy, {"a"}, COMPLETE)
    assert complete is not None
    assert (complete.lacking, complete.audited) == (whole, {})
    half = first_audits(policy, {"a"}, Sample(numbers=100, drawn=50, tasks=50))
    assert half is not None
    assert half.lacking == round(whole / 2)
    assert half.audited == {"a": policy.audit.per_label - round(policy.audit.per_label / 2)}
    assert first_audits(accepting(auto_accept="never"), {"a"}, COMPLETE) is None


def covered(
    truth: float, estimate: Callable[[np.random.Generator], Estimate], times: int = 600
) -> float:
    hits = 0
    for seed in range(times):
        found = estimate(np.random.default_rng(seed))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    return hits / times


@pytest.mark.simulation
@pytest.mark.parametrize("gaps", [0, 28_000])
@pytest.mark.parametrize("drawn", [500, 6_000])
def test_the_intervals_cover_the_truth(gaps: int, drawn: int) -> None:
    """Of 12,000 tasks among numbers of which up to 70 % have none: 95 of 100 intervals hold it."""
    numbers = WHOLE + gaps
    has_task = np.arange(numbers) < WHOLE
    rare = np.arange(numbers) < WHOLE // 20
    prices = np.where(has_task, np.where(rare, 1.0, 0.1), 0.0)

    def sampled(rng: np.random.Generator) -> tuple[Sample, Any]:
        places = rng.choice(numbers, drawn, replace=False)
        tasks = int(has_task[places].sum())
        return Sample(numbers=numbers, drawn=drawn, tasks=tasks), places

    def count(rng: np.random.Generator) -> Estimate:
        sample, places = sampled(rng)
        return sample.count(int(rare[places].sum()))

    def share(rng: np.random.Generator) -> Estimate:
        sample, places = sampled(rng)
        return sample.share(int(rare[places].sum()))

    def total(rng: np.random.Generator) -> Estimate:
        sample, places = sampled(rng)
        return sample.total(prices[places][has_task[places]])

    assert covered(WHOLE // 20, count) >= 0.93
    assert covered(1 / 20, share) >= 0.93
    assert covered(float(prices.sum()), total) >= 0.92


@pytest.mark.simulation
def test_plans_of_samples_cover_the_plan_of_the_whole() -> None:
    """The threshold too is placed by the sample's scores, and still the intervals hold."""
    policy = accepting()
    whole = figures_of(policy, planned(policy, ALL, EVIDENCE, COMPLETE), COMPLETE)
    hits = {"accepted": 0, "cost": 0, "senior": 0}
    times = 100
    for seed in range(times):
        places = np.sort(np.random.default_rng(seed).choice(WHOLE, 3_000, replace=False))
        sample = Sample(numbers=WHOLE, drawn=3_000, tasks=3_000)
        found = figures_of(policy, planned(policy, part(ALL, places), EVIDENCE, sample), sample)
        for name, here, there in (
            ("accepted", found.accepted, whole.accepted),
            ("cost", found.cost_total, whole.cost_total),
            ("senior", found.tiers[1].tasks, whole.tiers[1].tasks),
        ):
            assert here.low is not None
            assert here.high is not None
            hits[name] += here.low <= (there.value or 0) <= here.high
    assert min(hits.values()) >= 88, hits
