"""What the engine makes of tasks that verify a deployed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.certifying import reaching_auto_accept
from policies.decisions import is_none
from policies.deployed import deployed_name, is_deployed
from policies.domain import (
    MONITORED,
    SEEN,
    Candidates,
    Decision,
    Monitored,
    Outcome,
    Purpose,
    column,
    part_of,
)
from policies.engine import decide
from policies.sampling import SLICE, draws
from policies.schema import Policy
from tests.fakes.policy_documents import make_candidates, make_certification, make_policy, policies

WHY = "3.0% of all answers"


def outside_slices(policy: Policy, count: int) -> list[int]:
    ids = np.arange(1, 20_000)
    draw = draws(policy.salt, SLICE, ids)
    fits = (draw >= policy.control.share) & (draw < 1 - policy.holdout.share)
    return [int(each) for each in ids[fits][:count]]


def in_control(policy: Policy) -> int:
    ids = np.arange(1, 5_000)
    return int(ids[draws(policy.salt, SLICE, ids) < policy.control.share][0])


def in_holdout(policy: Policy) -> int:
    ids = np.arange(1, 5_000)
    return int(ids[draws(policy.salt, SLICE, ids) >= 1 - policy.holdout.share][0])


def monitored(said: Sequence[str | None], *, deployed: Sequence[bool] | None = None) -> Monitored:
    n = len(said)
    theirs = [True] * n if deployed is None else deployed
    return Monitored(
        predictors=column([deployed_name("v7") if each else None for each in theirs]),
        labels=column(said),
        scores=np.full(n, 0.55),
        draws=np.full(n, 0.0125),
        shares=np.full(n, 0.03),
        reasons=column([WHY] * n),
    )


def decided(
    policy: Policy,
    task_ids: Sequence[int],
    said: Sequence[str | None],
    *,
    own: str | None = "cat",
    deployed: Sequence[bool] | None = None,
    **signals: Sequence[float],
) -> list[Decision]:
    """What is decided where the own model is sure, and a deployed one answered ``said``."""
    rows = [(each, own, 0.99, None, None) for each in task_ids]
    candidates = replace(
        make_candidates(rows, **signals), monitored=monitored(said, deployed=deployed)
    )
    return list(decide(policy, candidates, make_certification(), model_version="m1"))


def test_a_monitored_task_goes_blind_to_its_tier_with_share_draw_and_reason() -> None:
    policy = make_policy(monitoring={"tier": "general", "share": 0.03})
    (task_id,) = outside_slices(policy, 1)
    (found,) = decided(policy, [task_id], ["dog"])
    assert found == Decision(
        task_id=task_id,
        outcome=Outcome.REVIEW,
        purpose=Purpose.MONITORING,
        tier="general",
        rule="monitoring",
        reason=WHY,
        label="dog",
        score=0.55,
        threshold=None,
        draw=0.0125,
        inclusion_probability=0.03,
        predictor="deployed: v7",
    )
    assert found.blind
    assert found.as_json()["purpose"] == "monitoring"


def test_its_people_are_the_top_tiers_unless_the_policy_says_otherwise() -> None:
    policy = make_policy()
    (found,) = decided(policy, outside_slices(policy, 1), ["dog"])
    assert found.tier == "senior"


def test_where_the_policy_shows_answers_people_see_the_deployed_models() -> None:
    policy = make_policy(monitoring={"show": True})
    (found,) = decided(policy, outside_slices(policy, 1), ["dog"])
    assert (found.purpose, found.label) == (Purpose.MONITORING_SHOWN, "dog")
    assert not found.blind


def test_an_answer_that_is_no_longer_offered_is_shown_to_nobody_and_verified_all_the_same() -> None:
    policy = make_policy(monitoring={"show": True})
    (found,) = decided(policy, outside_slices(policy, 1), [None])
    assert (found.purpose, found.rule) == (Purpose.MONITORING, "monitoring")
    assert (found.label, found.predictor) == (None, None)


def test_control_and_holdout_come_first_and_stay_the_own_models() -> None:
    policy = make_policy()
    control, holdout = decided(policy, [in_control(policy), in_holdout(policy)], ["dog", "dog"])
    assert [control.purpose, holdout.purpose] == [Purpose.CONTROL, Purpose.HOLDOUT]
    for found in (control, holdout):
        assert (found.label, found.score, found.predictor) == ("cat", 0.99, "model")
        assert found.inclusion_probability == 0.10


def test_monitoring_comes_before_routes_accepts_and_tasks_without_an_answer() -> None:
    policy = make_policy()  # routes what is predicted "8" to a senior
    ids = outside_slices(policy, 3)
    for own in ("8", "cat", None):
        for found in decided(policy, ids, ["dog"] * 3, own=own):
            assert (found.rule, found.outcome) == ("monitoring", Outcome.REVIEW)


def test_tasks_that_are_not_monitored_are_decided_as_ever() -> None:
    policy = make_policy()
    ids = outside_slices(policy, 200)
    deployed = [place % 2 == 0 for place in range(200)]
    mixed = decided(policy, ids, ["dog"] * 200, deployed=deployed)
    plain = list(
        decide(
            policy,
            make_candidates([(each, "cat", 0.99, None, None) for each in ids]),
            make_certification(),
            model_version="m1",
        )
    )
    assert [each for each, theirs in zip(mixed, deployed, strict=True) if not theirs] == [
        each for each, theirs in zip(plain, deployed, strict=True) if not theirs
    ]
    assert {each.rule for each in mixed[::2]} == {"monitoring"}


def test_nothing_monitored_is_accepted_or_drawn_for_audit_or_agreement() -> None:
    policy = make_policy(
        audit={"share": 1.0, "tier": "senior"}, agreement={"share": 1.0, "overlap": 2}
    )
    found = decided(policy, outside_slices(policy, 500), ["cat"] * 500)
    assert {each.outcome for each in found} == {Outcome.REVIEW}
    assert {each.purpose for each in found} == {Purpose.MONITORING}


def test_nothing_is_certified_on_a_monitored_task() -> None:
    """Not on one in the control slice either: it says nothing of what is accepted."""
    policy = make_policy()
    ids = [*outside_slices(policy, 4), in_control(policy)]
    candidates = make_candidates([(each, "cat", 0.99, None, None) for each in ids])
    theirs = [True, False, True, False, True]
    marked = replace(candidates, monitored=monitored(["dog"] * 5, deployed=theirs))
    assert reaching_auto_accept(policy, candidates).tolist() == [True] * 5
    assert reaching_auto_accept(policy, marked).tolist() == [False, True, False, True, False]


def test_signals_of_the_own_model_say_nothing_of_the_deployed_ones_answer() -> None:
    routes = [{"kind": "margin", "below": 0.1, "tier": "senior"}]
    policy = make_policy(routes=routes)
    ids = outside_slices(policy, 2)
    first, second = decided(policy, ids, ["dog", "dog"], deployed=[True, False], margin=[0.5, 0.6])
    assert (first.signals, second.signals) == ({}, {"margin": 0.6})


def test_what_people_see_binds_the_tier_to_its_labels_and_what_they_do_not_see_does_not() -> None:
    def policy(*, show: bool) -> Policy:
        made = make_policy(monitoring={"tier": "general", "show": show})
        general = made.tiers[0].model_copy(update={"labels": ("cat",)})
        return made.model_copy(update={"tiers": (general, *made.tiers[1:])})

    for show, tier in ((True, "senior"), (False, "general")):
        rules = policy(show=show)
        (found,) = decided(rules, outside_slices(rules, 1), ["dog"])
        assert found.tier == tier


def test_mentions_and_scores_of_parts_are_those_of_the_answer_that_counts() -> None:
    policy = make_policy(monitoring={"show": True, "tier": "general"})
    ids = outside_slices(policy, 2)
    base = make_candidates([(each, "cat", 0.9, None, None) for each in ids])
    of_theirs = replace(
        monitored(["dog", "dog"], deployed=[True, False]), mentions=column([("dog",), ()])
    )
    candidates = replace(
        base,
        mentions=column([("cat",), ("cat",)]),
        part_scores=column([(0.9,), (0.8,)]),
        monitored=of_theirs,
    )
    first, second = decide(policy, candidates, make_certification(), model_version="m1")
    assert (first.label, first.part_scores) == ("dog", ())
    assert (second.label, second.part_scores) == ("cat", (0.8,))


def test_a_part_of_the_candidates_keeps_what_is_monitored_of_it() -> None:
    policy = make_policy()
    ids = outside_slices(policy, 3)
    candidates = replace(
        make_candidates([(each, "cat", 0.99, None, None) for each in ids]),
        monitored=monitored(["a", "b", "c"], deployed=[True, False, True]),
    )
    part = part_of(candidates, np.array([False, True, True]))
    assert part.monitored is not None
    assert part.monitored.labels.tolist() == ["b", "c"]
    assert is_none(part.monitored.predictors).tolist() == [True, False]


def test_a_deployed_version_is_never_named_as_an_own_one_or_as_a_view() -> None:
    assert deployed_name("v1") == "deployed: v1"
    for marker in ("labelgate: senior", "LabelGate: Audit", "xlabelgate #01"):
        assert "labelgate" not in deployed_name(marker).lower()
    assert is_deployed(deployed_name("v1"))
    assert not is_deployed("v1")
    assert not is_deployed("model")
    assert not is_deployed(None)


def test_purposes_that_people_see_answers_with_and_those_that_are_monitored() -> None:
    assert {Purpose.ROUTED, Purpose.MONITORING_SHOWN} == SEEN
    assert {Purpose.MONITORING, Purpose.MONITORING_SHOWN} == MONITORED


@settings(deadline=None, max_examples=60)
@given(policy=policies(), show=st.booleans(), data=st.data())
def test_whatever_the_policy_says_a_monitored_task_is_measured_by_people(
    policy: Policy,
    show: bool,  # noqa: FBT001 - drawn by hypothesis
    data: Any,
) -> None:
    rules = policy.model_copy(
        update={"monitoring": policy.monitoring.model_copy(update={"show": show})}
    )
    n = data.draw(st.integers(1, 30))
    said = data.draw(st.lists(st.sampled_from(["cat", "8", None]), min_size=n, max_size=n))
    candidates = replace(candidates_for(rules, n), monitored=monitored(said))
    for decision in decide(rules, candidates):
        assert decision.outcome is Outcome.REVIEW
        assert decision.tier in rules.tier_names
        measuring = {Purpose.CONTROL, Purpose.HOLDOUT, *MONITORED}
        assert decision.purpose in measuring


def candidates_for(policy: Policy, n: int) -> Candidates:
    return Candidates(
        task_ids=np.arange(1, n + 1),
        labels=column(["cat"] * n),
        scores=np.full(n, 0.99),
        problems=np.full(n, None, object),
        fields={name: np.full(n, None, object) for name in policy.fields_used},
        signals={name: np.full(n, np.nan) for name in policy.signals_used},
    )


def test_the_draw_of_a_slice_is_not_replaced_by_the_inferences() -> None:
    policy = make_policy()
    task_id = in_control(policy)
    (found,) = decided(policy, [task_id], ["dog"])
    assert found.draw == pytest.approx(draws(policy.salt, SLICE, np.array([task_id]))[0])
