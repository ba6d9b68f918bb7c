"""What-if on histories whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policies.audit_plan import AuditPlan, lacking_audits
from policies.certifying import reaching_auto_accept
from policies.domain import Candidates, ObjectArray, Outcome, Purpose
from policies.planning import History, changes, plan
from policies.promises import AutoAccept
from policies.safeguards import Safeguards
from policies.sampling import SLICE, draws
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy, policy_document

N = 6_000


def column(values: Any) -> ObjectArray:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def history(n: int = N, *, seed: int = 0, error: float = 0.4, first_id: int = 0) -> History:
    """Labels a and b; the model is wrong with chance ``error * (1 - score)``."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(5, 1, n)
    wrong = rng.random(n) < error * (1 - scores)
    said = rng.choice(["a", "b"], n)
    truth = np.where(wrong, np.where(said == "a", "b", "a"), said)
    return History(
        candidates=Candidates(
            task_ids=np.arange(first_id, first_id + n),
            labels=column(said.tolist()),
            scores=scores,
            problems=column([None] * n),
            fields={"source": column(rng.choice(["press", "web"], n).tolist())},
        ),
        labels=column(truth.tolist()),
        tiers=column([None] * n),
        lead_times=np.full(n, np.nan),
    )


def policy(**changes_: Any) -> Policy:
    values: dict[str, Any] = {
        "routes": [],
        "auto_accept": {"max_error_rate": 0.05, "confidence": 0.95},
        "agreement": {"share": 0.0},
    }
    return make_policy(**(values | changes_))


def without_labels(known: History, mask: Any) -> History:
    return replace(
        known, labels=column([None if m else t for t, m in zip(known.labels, mask, strict=True)])
    )


def control_of(chosen: Policy, known: History) -> Any:
    return draws(chosen.salt, SLICE, known.candidates.task_ids) < chosen.control.share


def test_every_task_is_accepted_or_in_one_queue() -> None:
    found = plan(policy(), history())
    assert 0 < found.accepted < found.tasks == N
    assert found.accepted + sum(found.review.values()) == N
    assert found.accepted_share == found.accepted / N


def test_the_error_is_that_of_the_standing_accepts() -> None:
    known = history()
    found = plan(policy(), known)
    standing = (found.decisions.outcomes == Outcome.ACCEPT) & (
        found.decisions.purposes != Purpose.AUDIT
    )
    wrong = (known.candidates.labels != known.labels)[standing.astype(bool)]
    assert found.expected_error.n == found.accepted == len(wrong)
    assert found.expected_error.value == wrong.mean()
    assert found.expected_error.low is not None
    assert found.expected_error.high is not None
    assert found.expected_error.low < wrong.mean() < found.expected_error.high


def test_the_threshold_rests_on_control_answers_alone() -> None:
    chosen, known = policy(), history()
    control = control_of(chosen, known)
    only_control = plan(chosen, without_labels(known, ~control))
    assert only_control.certification == plan(chosen, known).certification
    assert only_control.expected_error.n == 0
    assert only_control.expected_error.value is None
    no_control = plan(chosen, without_labels(known, control))
    assert no_control.certification is not None
    assert no_control.certification.certificates[0].control_answers == 0
    assert no_control.accepted == 0
    assert no_control.accepted_share == 0


def test_control_answers_that_a_route_takes_away_do_not_count() -> None:
    """Where the routed tasks are easy and the rest is hard, nothing may be certified."""
    known = history(error=0.0)
    press = known.candidates.fields["source"] == "press"
    truth = [
        label if easy else "neither"
        for label, easy in zip(known.candidates.labels, press, strict=True)
    ]
    hard = replace(known, labels=column(truth))
    routes = [{"kind": "task_field", "field": "source", "in": ["press"], "tier": "senior"}]
    found = plan(policy(routes=routes), hard)
    assert found.accepted == 0
    assert found.certification is not None
    control = control_of(policy(), hard)
    assert found.certification.certificates[0].control_answers == np.count_nonzero(
        control & ~press.astype(bool)
    )


def test_what_reaches_auto_accept() -> None:
    routes = [{"kind": "predicted_label", "in": ["a"], "tier": "senior"}]
    known = history(300)
    scores = known.candidates.scores.copy()
    scores[:10] = np.nan
    reached = reaching_auto_accept(policy(routes=routes), replace(known.candidates, scores=scores))
    expected = (known.candidates.labels == "b") & ~np.isnan(scores)
    assert reached.tolist() == expected.tolist()


def test_a_person_confirms_every_label() -> None:
    found = plan(policy(auto_accept="never"), history())
    assert found.certification is None
    assert found.accepted == 0
    assert found.saving_share is not None
    assert found.saving_share < 0  # the slices go to the expensive tier


def test_cost_days_and_looks() -> None:
    chosen = policy(agreement={"share": 0.5, "overlap": 2}, auto_accept="never")
    found = plan(chosen, history())
    twice = np.count_nonzero(found.decisions.purposes == Purpose.AGREEMENT)
    assert twice > 0
    assert found.looks["general"] == found.review["general"] + twice
    assert found.looks["senior"] == found.review["senior"]
    assert found.cost.labour == pytest.approx(
        0.1 * found.looks["general"] + 1.0 * found.looks["senior"]
    )
    assert found.cost.total == found.cost.labour
    assert found.cost_all_manual == pytest.approx(N * 0.1)
    assert found.days["general"] == -(-found.looks["general"] // 100)
    assert found.days["senior"] == -(-found.looks["senior"] // 20)


def test_the_three_line_items() -> None:
    prices = {"tooling_per_label": 0.05, "compute_per_prediction": 0.01, "compute_per_training": 7}
    retrain = {"after_annotations": 400, "minimum_labels": 100}
    found = plan(policy(prices=prices, retrain=retrain), history())
    looks = sum(found.looks.values())
    trainings = 1 + (looks - 100) // 400
    assert trainings > 1
    assert found.cost.tooling == pytest.approx(0.05 * looks)
    assert found.cost.compute == pytest.approx(0.01 * N + 7 * trainings)
    assert found.cost_all_manual == pytest.approx(N * (0.1 + 0.05))
    body = found.as_json(None)["cost"]
    assert body["total"] == body["labour"] + body["tooling"] + body["compute"]
    free = plan(policy(retrain=retrain), history())
    assert free.cost.labour == found.cost.labour
    assert found.saving_share is not None
    assert free.saving_share is not None
    assert found.saving_share == pytest.approx(1 - found.cost.total / found.cost_all_manual)


def test_hours_from_lead_times() -> None:
    chosen, known = policy(), history()
    assert plan(chosen, known).hours == {"general": None, "senior": None}
    times = np.full(N, np.nan)
    times[:2] = [20.0, 40.0]
    found = plan(chosen, replace(known, lead_times=times))
    assert found.hours["general"] == pytest.approx(found.looks["general"] * 30 / 3600)
    tiers = column(["general", "other"] + [None] * (N - 2))
    found = plan(chosen, replace(known, lead_times=times, tiers=tiers))
    assert found.hours["general"] == pytest.approx(found.looks["general"] * 20 / 3600)
    assert found.hours["senior"] is None
    general, senior = policy_document()["tiers"]
    told = policy(tiers=[general | {"seconds_per_label": 5.0}, senior | {"seconds_per_label": 60}])
    found = plan(told, replace(known, lead_times=times, tiers=tiers))
    assert found.hours["general"] == pytest.approx(found.looks["general"] * 20 / 3600)
    assert found.hours["senior"] == pytest.approx(found.looks["senior"] / 60)


def test_a_small_project_pays_for_the_audits_that_its_claim_lacks() -> None:
    chosen = policy(audit={"share": 0.05, "per_label": 5, "most": 0.5})
    known = history()
    waiting = without_labels(history(600, first_id=100_000), np.ones(600, bool))
    found = plan(chosen, waiting, known)
    accepts = int(np.count_nonzero(found.decisions.outcomes == Outcome.ACCEPT))
    audited = int(np.count_nonzero(found.decisions.purposes == Purpose.AUDIT))
    assert isinstance(chosen.auto_accept, AutoAccept)
    lacking = lacking_audits(chosen.auto_accept, drawn=0, answered=0, errors=0)
    assert lacking > 0.05 * accepts  # the policy's share alone would bill too few
    assert audited == pytest.approx(lacking, rel=0.35)
    enough = Safeguards(audits=AuditPlan(audited={"a": 9, "b": 9}))
    proved = plan(chosen, waiting, known, safeguards=enough)
    assert np.count_nonzero(proved.decisions.purposes == Purpose.AUDIT) < audited
    assert proved.accepted > found.accepted
    tripped = Safeguards(suspended={("model", None): "tripped"})
    assert plan(chosen, waiting, known, safeguards=tripped).accepted == 0


def test_what_changes_against_another_policy() -> None:
    known = history()
    first = plan(policy(), known).decisions
    assert changes(first, plan(policy(), known).decisions) == 0
    routes = [{"kind": "predicted_label", "in": ["a"], "tier": "senior"}]
    other = plan(policy(routes=routes), known).decisions
    expected = sum(
        (a.outcome, a.tier) != (b.outcome, b.tier) for a, b in zip(first, other, strict=True)
    )
    assert changes(first, other) == expected > 0


def test_evidence_apart_measures_outside_its_control_slice() -> None:
    chosen = policy()
    waiting = without_labels(history(2_000, first_id=100_000), np.ones(2_000, bool))
    known = history()
    found = plan(chosen, waiting, known)
    assert found.tasks == 2_000
    assert found.certification is not None
    assert found.certification.certificates[0].threshold is not None
    outside = ~control_of(chosen, known) & (
        known.candidates.scores >= found.certification.certificates[0].threshold
    )
    assert found.expected_error.n == np.count_nonzero(outside)
    wrong = (known.candidates.labels != known.labels)[outside]
    assert found.expected_error.value == wrong.mean()


def test_the_json_has_these_keys_and_no_others() -> None:
    body = plan(policy(), history(500)).as_json(None)
    assert list(body) == [
        "tasks",
        "accepted",
        "accepted_share",
        "expected_error",
        "review",
        "hours",
        "cost",
        "cost_all_manual",
        "saving_share",
        "changed",
    ]
    assert list(body["cost"]) == ["labour", "tooling", "compute", "total"]
    assert list(body["expected_error"]) == ["value", "low", "high", "n"]
    assert body["changed"] is None


@pytest.mark.simulation
def test_the_error_keeps_the_promise() -> None:
    """At most one in twenty histories may show more than the promised error; here none does."""
    errors = [plan(policy(), history(6_000, seed=seed)).expected_error.value for seed in range(60)]
    measured = [error for error in errors if error is not None]
    assert len(measured) > 40
    assert sum(error > 0.05 for error in measured) <= 3
