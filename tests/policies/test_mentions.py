"""Rules about labels hold for answers of several labels: by what they speak of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.audit_plan import AuditPlan, draw_audits
from policies.audits import Audit
from policies.conditions import PredictedLabel
from policies.domain import Candidates, ObjectArray, Outcome, part_of
from policies.engine import decide
from policies.promises import AutoAccept, promises_of
from policies.signals import Signals, mentioning_only, verdict
from tests.fakes.policy_documents import make_certification, make_policy

LABELS = ("joy", "fear", "anger")


def objects(values: list[object]) -> ObjectArray:
    made = np.empty(len(values), object)
    made[:] = values
    return made


def answered(*mentions: tuple[str, ...] | None, score: float = 0.99) -> Candidates:
    n = len(mentions)
    return Candidates(
        task_ids=np.arange(1, n + 1),
        labels=objects([None if each is None else str(sorted(each)) for each in mentions]),
        scores=np.array([np.nan if each is None else score for each in mentions]),
        problems=objects([None] * n),
        fields={},
        mentions=objects([each or () for each in mentions]),
        listed=False,
        part_scores=objects([None if not each else (score,) * len(each) for each in mentions]),
    )


def test_a_route_matches_every_answer_that_speaks_of_its_label() -> None:
    signals = Signals(answered(("joy", "fear"), ("anger",), (), None), "salt")
    route = PredictedLabel.model_validate({"kind": "predicted_label", "in": ["fear"]})
    matches, fails = verdict(route, signals, "routes[0]")
    assert matches.tolist() == [True, False, False, False]
    assert fails.tolist() == [False, True, True, False]  # no answer is not known to fail


def test_a_label_that_is_never_accepted_holds_back_what_speaks_of_it() -> None:
    accept = {"max_error_rate": 0.05, "confidence": 0.95, "floor": 0.7, "never": ["fear"]}
    policy = make_policy(auto_accept=accept, routes=[], audit={"share": 0.05})
    candidates = answered(*[("joy", "fear"), ("joy",)] * 50)
    decisions = decide(policy, candidates, make_certification(0.7), model_version="m1")
    spoken = ["fear" in str(label) for label in candidates.labels]
    rules = {rule for rule, fear in zip(decisions.rules, spoken, strict=True) if fear}
    assert rules <= {"never_label", "control", "holdout"}
    assert "never_label" in rules
    assert Outcome.ACCEPT in set(decisions.outcomes)
    assert decisions[1].part_scores == (0.99,)
    assert decisions[0].part_scores == (0.99, 0.99)


PATHS = [
    (("Food / Fruit", "Food"), ("Food",), True),  # a node stands for what is below it
    (("Food / Fruit", "Food"), ("Food / Fruit",), True),
    (("Food / Fruit", "Food", "Tools"), ("Food",), False),
    (("Food / Fruit", "Food", "Food / Bread"), ("Food / Fruit",), False),
    (("Food",), ("Food / Fruit",), False),
    (("Foodstuff",), ("Food",), False),
    ((), ("Food",), True),
]


@pytest.mark.parametrize(("mentioned", "named", "only"), PATHS)
def test_a_tier_for_a_node_decides_the_paths_below_it(
    mentioned: tuple[str, ...], named: tuple[str, ...], *, only: bool
) -> None:
    assert mentioning_only(answered(mentioned), named).tolist() == [only]


@given(st.lists(st.sets(st.sampled_from(LABELS)).map(tuple), min_size=1), st.data())
def test_parts_keep_their_mentions_and_scores(
    mentions: list[tuple[str, ...]], data: st.DataObject
) -> None:
    candidates = answered(*mentions)
    places = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(mentions), max_size=len(mentions)))
    )
    part = part_of(candidates, places)
    kept = [each for each, keep in zip(mentions, places, strict=True) if keep]
    assert part.mentions is not None
    assert part.part_scores is not None
    assert part.mentions.tolist() == kept
    assert [len(each or ()) for each in part.part_scores.tolist()] == [len(each) for each in kept]


def test_audits_are_counted_over_all_answers_that_are_no_list() -> None:
    """Each answer is a label of its own there: by label, every one of them would be drawn."""
    many = [(label, f"x{number}") for number in range(100) for label in LABELS]
    audit = Audit.model_validate({"share": 0.05, "tier": "senior", "per_label": 10, "most": 0.5})
    drawn = draw_audits(audit, "salt", answered(*many), AuditPlan())
    assert set(drawn.shares.tolist()) == {0.05}
    few = draw_audits(audit, "salt", answered(*many[:40]), AuditPlan(audited={"[]": 2}))
    assert set(few.shares.tolist()) == {0.2}  # 8 more among 40
    assert all("of at least 10 so far" in why and "labelled" not in why for why in few.reasons)


def test_a_model_of_numbers_has_one_promise() -> None:
    rule = AutoAccept(max_error_rate=0.05, confidence=0.95)
    (promise,) = promises_of(rule, {"model": ()}, 1.0)
    assert (promise.label, promise.confidence) == (None, 0.95)
    assert promises_of(AutoAccept(max_error_rate=0.05, confidence=0.95, never=("A",)),
                       {"model": ("A",)}, 1.0) == ()  # fmt: skip
