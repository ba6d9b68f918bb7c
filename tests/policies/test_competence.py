"""A tier decides only its labels and types of task; the rest goes to the next that may."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.competence import next_able
from policies.domain import Candidates, Decision, Outcome, Purpose, part_of
from policies.engine import decide
from policies.explanations import Trial, explain
from policies.sampling import AGREEMENT, AUDIT, SLICE, draws, labelled_draws
from policies.schema import Policy
from policies.trials import TrialPrediction
from tests.fakes.policy_documents import make_certification, make_policy

NAMES = ("general", "domain", "senior")
TYPES = ("mail", "call", "7", None)


def limited(general: dict[str, Any], domain: dict[str, Any] | None = None, **more: Any) -> Policy:
    limits = {"general": general, "domain": domain or {}, "senior": {}}
    tiers = [
        {
            "name": name,
            "reviewers": [f"{name}1@x.org", f"{name}2@x.org"],
            "cost_per_label": 1.0,
            "daily_capacity": 9,
            **limits[name],
        }
        for name in NAMES
    ]
    return make_policy(tiers=tiers, **({"routes": []} | more))


def tasks(
    rows: list[tuple[int, str | None, float]], types: list[Any], source: object = None
) -> Candidates:
    def column(values: list[Any]) -> Any:
        made = np.empty(len(values), object)
        made[:] = values
        return made

    return Candidates(
        task_ids=np.array([row[0] for row in rows], np.int64),
        labels=column([row[1] for row in rows]),
        scores=np.array([row[2] for row in rows]),
        problems=column([None] * len(rows)),
        fields={"task_type": column(types), "source": column([source] * len(rows))},
    )


def task_id(policy: Policy, purpose: Purpose, label: str | None) -> int:
    """A task that is drawn for this and for nothing else, with this predicted label."""
    ids = np.arange(1, 20_000)
    labels = np.full(len(ids), label, object)
    drawn = {
        Purpose.CONTROL: draws(policy.salt, SLICE, ids) < policy.control.share,
        Purpose.HOLDOUT: draws(policy.salt, SLICE, ids) >= 1 - policy.holdout.share,
        Purpose.AUDIT: labelled_draws(policy.salt, AUDIT, ids, labels) < policy.audit.share,
        Purpose.AGREEMENT: draws(policy.salt, AGREEMENT, ids) < policy.agreement.share,
    }
    fits = np.ones(len(ids), bool)
    for each, mask in drawn.items():
        fits &= mask == (each is purpose)
    return int(ids[fits][0])


def one(
    policy: Policy,
    label: str | None = "cat",
    task_type: object = None,
    score: float = 0.3,
    purpose: Purpose = Purpose.ROUTED,
) -> Decision:
    candidates = tasks([(task_id(policy, purpose, label), label, score)], [task_type])
    return decide(policy, candidates, make_certification(), model_version="m1")[0]


def test_a_label_that_the_tier_may_not_decide_goes_to_the_next_that_may() -> None:
    policy = limited({"labels": ["cat"]}, {"labels": ["cat", "dog"]})
    assert one(policy, "cat").tier == "general"
    dog, legal = one(policy, "dog"), one(policy, "legal")
    assert (dog.tier, legal.tier) == ("domain", "senior")
    assert dog.rule == "below_threshold"
    assert dog.reason == (
        "score 0.300 is below the certified threshold 0.800; general does not decide 'dog', "
        "domain does"
    )
    assert one(policy, None, score=math.nan).tier == "general"  # nothing is predicted: anybody may
    assert one(policy, "dog", score=0.9).outcome is Outcome.ACCEPT


@pytest.mark.parametrize(
    ("value", "tier"), [("mail", "general"), (7, "general"), (None, "general"), ("call", "senior")]
)
def test_types_of_task_bind_and_a_task_without_one_is_of_any(value: object, tier: str) -> None:
    policy = limited({"task_types": ["mail", "7"]}, {"task_types": ["mail"]})
    assert policy.fields_used == ("task_type",)
    decision = one(policy, task_type=value)
    assert decision.tier == tier
    told = f"; general takes no tasks of type {value!r}, senior does"
    assert decision.reason.endswith(told) == (tier != "general")


@pytest.mark.parametrize("value", [True, 1.5, ["mail"], {"a": 1}])
def test_whatever_stands_in_the_field_a_tier_is_found(value: object) -> None:
    policy = limited({"task_types": ["mail", "true"]})
    assert one(policy, task_type=value).tier == ("general" if value is True else "domain")


@pytest.mark.parametrize("purpose", [Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT])
def test_types_bind_blind_tasks_and_labels_do_not(purpose: Purpose) -> None:
    spec = {"share": 0.2, "tier": "general"}
    policy = limited(
        {"labels": ["cat"], "task_types": ["mail"]}, control=spec, holdout=spec, audit=spec
    )
    for task_type, tier in (("mail", "general"), ("call", "domain")):
        decision = one(policy, "dog", task_type, score=0.95, purpose=purpose)
        assert (decision.purpose, decision.tier) == (purpose, tier)


def test_a_route_says_where_to_begin_and_an_agreement_check_is_drawn_where_it_ends() -> None:
    route = {"kind": "score", "below": 0.5, "tier": "domain"}
    policy = limited({}, {"labels": ["cat"]}, routes=[route])
    assert one(policy, "cat").tier == "domain"
    moved = one(policy, "dog", purpose=Purpose.AGREEMENT)
    assert (moved.purpose, moved.tier, moved.rule) == (Purpose.AGREEMENT, "senior", "routes[0]")
    assert moved.reason.endswith(
        "domain does not decide 'dog', senior does; drawn for agreement: 2 people answer"
    )


def test_an_explanation_says_it_too() -> None:
    policy = limited({"task_types": ["mail"]})
    trial = Trial(prediction=TrialPrediction(label="cat", score=0.1), data={"task_type": "call"})
    decision = explain(policy, trial).decision
    assert decision.tier == "domain"
    assert decision.reason.endswith("; general takes no tasks of type 'call', domain does")


def test_without_the_field_nothing_is_decided() -> None:
    policy = limited({"task_types": ["mail"]})
    candidates = tasks([(1, "cat", 0.5)], ["mail"])
    del candidates.fields["task_type"]
    with pytest.raises(ValueError, match=r"looks at task fields not given: \['task_type'\]"):
        decide(policy, candidates)


_limits = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.lists(st.sampled_from(["cat", "dog", "legal"]), min_size=1),
        "task_types": st.lists(st.sampled_from(["mail", "call", "7"]), min_size=1),
    },
)
_rows = st.lists(
    st.tuples(
        st.integers(1, 5_000),
        st.sampled_from(["cat", "dog", "legal", None]),
        st.floats(0, 1),
        st.sampled_from(TYPES),
    ),
    max_size=12,
)


@given(_limits, _limits, _rows)
def test_no_tier_gets_what_it_may_not_decide_and_none_more_expert_than_needed(
    general: dict[str, Any], domain: dict[str, Any], rows: list[tuple[int, str | None, float, Any]]
) -> None:
    policy, free = limited(general, domain), limited({}, {})
    candidates = tasks([row[:3] for row in rows], [row[3] for row in rows])
    decisions = list(decide(policy, candidates, make_certification(), model_version="m1"))
    before = decide(free, candidates, make_certification(), model_version="m1")
    for decision, was, (_, label, _, kind) in zip(decisions, before, rows, strict=True):
        assert (decision.outcome, decision.rule, decision.draw) == (
            was.outcome,
            was.rule,
            was.draw,
        )
        if was.tier is None:
            assert decision.tier is None
            continue
        blind = was.purpose in (Purpose.CONTROL, Purpose.HOLDOUT, Purpose.AUDIT)
        start = policy.order(was.tier)
        wanted = next_able(policy.tiers, start, [None if blind else label], kind)
        assert decision.tier == policy.tier_names[wanted]
    singly = [
        decide(
            policy,
            part_of(candidates, slice(place, place + 1)),
            make_certification(),
            model_version="m1",
        )[0]
        for place in range(len(rows))
    ]
    assert singly == decisions
