"""Which accepts are audited: shares by claim, label and drift, drawn once for each pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.audit_plan import (
    BANDS,
    AuditPlan,
    Exposures,
    draw_audits,
    lacking_audits,
    score_bands,
    widest,
)
from policies.audits import Audit
from policies.domain import Candidates, Outcome, Purpose
from policies.drift import RaisedSlice
from policies.engine import decide
from policies.extra_audits import draw_extra
from policies.promises import AutoAccept
from policies.safeguards import Safeguards
from policies.sampling import AUDIT, draws, labelled_draws
from tests.fakes.policy_documents import make_candidates, make_certification, make_policy

AUDITED = Audit(share=0.05, tier="senior", per_label=5, most=0.5)
RULE = AutoAccept(max_error_rate=0.02, confidence=0.95)


def accepts(*labels: str, first: int = 1) -> Candidates:
    rows = [(first + place, label, 0.9, None, None) for place, label in enumerate(labels)]
    return make_candidates(rows)


def exposed(task_id: int, label: str, share: float, draw: float) -> Exposures:
    return Exposures(
        task_ids=np.array([task_id]),
        labels=np.array([label], object),
        shares=np.array([share]),
        draws=np.array([draw]),
    )


def shares(plan: AuditPlan | None, candidates: Candidates) -> list[float]:
    return [float(share) for share in draw_audits(AUDITED, "salt", candidates, plan).shares]


def test_without_a_plan_the_policys_share_is_drawn() -> None:
    assert shares(None, accepts("a", "a", "b")) == [0.05] * 3
    assert shares(None, accepts()) == []


@pytest.mark.parametrize(
    ("plan", "share"),
    [
        (AuditPlan(audited={"a": 5}), 0.05),  # nothing is lacking
        (AuditPlan(audited={"a": 5}, lacking=30), 0.3),  # the claim lacks 30 of 100
        (AuditPlan(audited={"a": 5}, lacking=149), 0.5),  # never more than most
        (AuditPlan(audited={"a": 5}, lacking=3), 0.05),  # never less than the policy's share
        (AuditPlan(audited={}, lacking=0), 0.05),  # 5 of 100 bring what the label lacks
    ],
)
def test_the_share_is_what_brings_the_audits_that_are_lacking(
    plan: AuditPlan, share: float
) -> None:
    assert shares(plan, accepts(*["a"] * 100)) == pytest.approx([share] * 100)


def test_a_rare_label_has_a_share_of_its_own() -> None:
    found = shares(AuditPlan(audited={"b": 1}), accepts(*["a"] * 200, *["b"] * 20))
    assert found == pytest.approx([0.05] * 200 + [0.2] * 20)


def test_a_policys_share_above_most_is_kept() -> None:
    audit = AUDITED.model_copy(update={"share": 0.8})
    drawn = draw_audits(audit, "salt", accepts("a"), AuditPlan(lacking=99))
    assert drawn.shares.tolist() == [0.8]


def test_drift_raises_the_share_of_its_slice_alone() -> None:
    raised = (RaisedSlice(factor=4, most=0.5, label="b"),)
    plan = AuditPlan(audited={"a": 5, "b": 5}, raised=raised)
    assert shares(plan, accepts("a", "b")) == pytest.approx([0.05, 0.2])


def test_a_pair_that_was_before_the_draw_keeps_it_and_does_not_count() -> None:
    known = exposed(1, "a", 0.07, 0.06)
    plan = AuditPlan(audited={"a": 5}, lacking=10, exposed=known)
    drawn = draw_audits(AUDITED, "salt", accepts(*["a"] * 101), plan)
    assert (drawn.shares[0], drawn.draws[0], drawn.drawn[0]) == (0.07, 0.06, True)
    assert drawn.shares[1:].tolist() == pytest.approx([0.1] * 100)
    missed = replace(plan, exposed=exposed(1, "a", 0.07, 0.08))
    assert not draw_audits(AUDITED, "another salt", accepts("a"), missed).drawn[0]


def test_another_label_for_the_same_task_is_a_draw_of_its_own() -> None:
    plan = AuditPlan(audited={"a": 5, "b": 5}, exposed=exposed(1, "a", 0.07, 0.06))
    drawn = draw_audits(AUDITED, "salt", accepts("b"), plan)
    assert drawn.shares.tolist() == [0.05]
    assert drawn.draws[0] == labelled_draws("salt", AUDIT, np.array([1]), np.array(["b"], object))
    assert drawn.draws[0] != 0.06


def test_the_last_of_two_entries_of_a_pair_counts() -> None:
    known = Exposures(
        task_ids=np.array([7, 2**62, 7]),
        labels=np.array(["a", "a", "a"], object),
        shares=np.array([0.1, 0.2, 0.3]),
        draws=np.array([0.5, 0.5, 0.5]),
    )
    asked = np.array([7, 8, 2**62])
    found = known.places_of(asked, np.array(["a", "a", "a"], object))
    assert found.tolist() == [2, -1, 1]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (None, "; drawn for audit (5.0% of accepts)"),
        (
            AuditPlan(audited={"a": 3}),
            "; drawn for audit (50.0% of accepts labelled 'a': 3 of at least 5 so far)",
        ),
        (
            AuditPlan(audited={"a": 9}, lacking=7),
            "; drawn for audit (50.0% of accepts: the claim lacks 7)",
        ),
        (
            AuditPlan(audited={"a": 9}, raised=(RaisedSlice(factor=3, most=0.5),)),
            "; drawn for audit (15.0% of accepts of a slice that drifted)",
        ),
        (
            AuditPlan(exposed=exposed(0, "a", 0.2, 0.1)),
            "; drawn for audit (20.0% of accepts, when this label was first accepted)",
        ),
    ],
)
def test_the_reason_says_the_share_and_what_it_rests_on(plan: AuditPlan | None, told: str) -> None:
    ids = np.arange(1, 1000)
    smallest = labelled_draws("salt", AUDIT, ids, np.full(len(ids), "a", object)).argmin()
    first = 0 if plan is not None and len(plan.exposed) else int(ids[smallest])
    drawn = draw_audits(AUDITED, "salt", accepts("a", first=first), plan)
    assert drawn.reasons.tolist() == [told]


def test_the_stored_chance_is_the_true_frequency() -> None:
    labels = np.array(["a"] * 900 + ["b"] * 100, object)
    tasks = replace(accepts(*labels), task_ids=np.arange(1, 1001))
    plan = AuditPlan(audited={"a": 99, "b": 0}, lacking=120)
    times = np.zeros(len(tasks))
    for salt in range(400):
        drawn = draw_audits(AUDITED, str(salt), tasks, plan)
        times += drawn.drawn
    expected = drawn.shares
    assert times[:900].mean() / 400 == pytest.approx(expected[0], abs=0.005)
    assert times[900:].mean() / 400 == pytest.approx(expected[-1], abs=0.01)
    spread = np.sqrt(expected * (1 - expected) / 400)
    assert np.abs(times / 400 - expected).max() < 5 * spread.max()


def test_batches_bring_every_label_its_floor_and_the_claim_its_size() -> None:
    random = np.random.default_rng(1)
    audited: dict[str, int] = {}
    for batch in range(30):
        labels = random.choice(["a", "b", "rare"], 200, p=[0.6, 0.37, 0.03])
        tasks = accepts(*labels.tolist(), first=1 + 200 * batch)
        so_far = sum(audited.values())
        lacking = lacking_audits(RULE, drawn=so_far, answered=so_far, errors=0)
        drawn = draw_audits(AUDITED, "s", tasks, AuditPlan(audited=dict(audited), lacking=lacking))
        for label in tasks.labels[drawn.drawn].tolist():
            audited[label] = audited.get(label, 0) + 1
    assert sum(audited.values()) >= 149
    assert min(audited.values()) >= 5
    assert sum(audited.values()) < 149 + 0.05 * 6000 + 60  # then the policy's share alone


def test_draws_of_labels_are_uniform_and_independent_of_each_other() -> None:
    ids = np.arange(1, 100_001)
    one, other = (labelled_draws("s", AUDIT, ids, np.full(len(ids), x, object)) for x in "ab")
    for values in (one, other):
        assert values.min() >= 0
        assert values.max() < 1
        assert abs(values.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.015
    assert abs(np.corrcoef(one, draws("s", AUDIT, ids))[0, 1]) < 0.015


@given(
    lacking=st.integers(0, 500),
    audited=st.integers(0, 9),
    factor=st.floats(1, 20),
    labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
)
@settings(max_examples=50)
def test_nothing_is_left_out_and_every_plan_stays_within_the_widest(
    lacking: int, audited: int, factor: float, labels: list[str]
) -> None:
    tasks = accepts(*labels)
    plan = AuditPlan(
        audited=dict.fromkeys("abc", audited),
        lacking=lacking,
        raised=(RaisedSlice(factor=factor, most=0.7, label="a"),),
    )
    drawn = draw_audits(AUDITED, "s", tasks, plan)
    again = draw_audits(AUDITED, "s", tasks, plan)
    assert np.array_equal(drawn.drawn, again.drawn)
    assert (drawn.shares >= AUDITED.share).all()
    assert (drawn.shares <= 0.7).all()
    assert len(drawn.reasons) == drawn.drawn.sum()
    most = draw_audits(AUDITED, "s", tasks, widest(0.7))
    assert (most.drawn | ~drawn.drawn).all()


def test_one_by_one_and_all_at_once_agree_where_the_counts_are_equal() -> None:
    tasks = accepts(*["cat"] * 300, *["dog"] * 100)
    plan = AuditPlan(audited={"cat": 50, "dog": 50})
    together = draw_audits(AUDITED, "s", tasks, plan)
    singly = [
        draw_audits(AUDITED, "s", accepts(str(label), first=int(task_id)), plan).drawn[0]
        for task_id, label in zip(tasks.task_ids, tasks.labels, strict=True)
    ]
    assert together.drawn.tolist() == singly


def test_a_decision_made_from_the_ledgers_own_figures_is_the_same_decision() -> None:
    policy = make_policy()
    rows = [(task_id, "cat", 0.9, None, None) for task_id in range(1, 600)]
    tasks = make_candidates(rows)
    plan = AuditPlan(audited={"cat": 2}, lacking=100)
    first = decide(
        policy,
        tasks,
        make_certification(),
        model_version="m1",
        safeguards=Safeguards(audits=plan),
    )
    taken = np.asarray(first.outcomes == Outcome.ACCEPT, bool)
    audited = np.asarray(first.purposes == Purpose.AUDIT, bool)
    stored = first.inclusion_probabilities
    known = Exposures(
        task_ids=first.task_ids[taken],
        labels=first.labels[taken],
        shares=np.where(audited, stored, 1 - stored)[taken],
        draws=first.draws[taken],
    )
    again = decide(
        policy,
        tasks,
        make_certification(0.6),
        model_version="m1",
        safeguards=Safeguards(audits=AuditPlan(lacking=99, exposed=known)),
    )
    assert np.array_equal(again.purposes, first.purposes)
    assert again.inclusion_probabilities == pytest.approx(stored)


def test_bands_take_every_score() -> None:
    scores = np.linspace(0, 1, 101).astype(np.float64)
    bands = score_bands(scores)
    assert set(bands.tolist()) == set(range(len(BANDS)))
    assert (np.diff(bands) >= 0).all()


@pytest.mark.parametrize(
    ("drawn", "answered", "errors", "lacking"),
    [(0, 0, 0, 165), (165, 10, 0, 0), (500, 500, 0, 0), (165, 165, 1, 214), (40, 40, 20, 0)],
)
def test_what_the_claim_lacks(drawn: int, answered: int, errors: int, lacking: int) -> None:
    assert lacking_audits(RULE, drawn=drawn, answered=answered, errors=errors) == lacking


def test_an_extra_draw_is_proportional_exact_and_repeatable() -> None:
    ids = np.arange(1, 1001)
    labels = np.array(["a"] * 700 + ["b"] * 300, object)
    before = np.where(ids % 2 == 0, 0.05, 0.2)
    drawn = draw_extra("salt", "extra 7", (ids, labels, before), 100)
    assert np.count_nonzero(labels[drawn.places] == "a") == 70
    assert len(drawn.places) == 100
    first = before[drawn.places]
    assert drawn.shares == pytest.approx(first + (1 - first) * 0.1)
    assert (drawn.draws < drawn.shares).all()
    assert (drawn.draws >= first).all()
    same = draw_extra("salt", "extra 7", (ids, labels, before), 100)
    assert np.array_equal(drawn.places, same.places)
    other = draw_extra("salt", "extra 8", (ids, labels, before), 100)
    assert not np.array_equal(drawn.places, other.places)


def test_an_extra_draw_takes_each_as_often_as_it_says() -> None:
    ids = np.arange(1, 201)
    labels = np.array(["a"] * 150 + ["b"] * 50, object)
    times = np.zeros(200)
    for number in range(500):
        drawn = draw_extra("salt", f"extra {number}", (ids, labels, np.zeros(200)), 40)
        times[drawn.places] += 1
    assert times.sum() == 500 * 40
    assert np.abs(times / 500 - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / 500)


def test_an_extra_draw_from_nothing_or_of_all() -> None:
    nothing = (np.empty(0, np.int64), np.empty(0, object), np.empty(0))
    assert len(draw_extra("s", "x", nothing, 0).places) == 0
    three = (np.arange(3), np.array(["a", "b", "a"], object), np.full(3, 0.1))
    assert draw_extra("s", "x", three, 3).shares.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="3 accepts to draw 4"):
        draw_extra("s", "x", three, 4)
