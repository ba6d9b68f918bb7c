"""Shares of a deployed model's answers: the largest of what is asked for, known before the draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain import Candidates, column
from policies.drift import RaisedSlice
from policies.monitoring_shares import STREAM, Answers, Sampled, Traffic, fields_of, sample
from policies.sampling import draws
from policies.schema import Policy
from tests.fakes.policy_documents import make_policy

DAY = 740_000


def answers(
    labels: Sequence[str],
    *,
    days: Sequence[int] | int = DAY,
    scores: Sequence[float] | float = 0.9,
    slices: Mapping[str, Sequence[str | None]] | None = None,
    fields: Mapping[str, Sequence[Any]] | None = None,
    listed: bool = True,
    first_id: int = 1,
    signals: Mapping[str, Sequence[float]] | None = None,
) -> Answers:
    n = len(labels)
    return Answers(
        candidates=Candidates(
            task_ids=np.arange(first_id, first_id + n, dtype=np.int64),
            labels=column(labels),
            scores=np.broadcast_to(np.asarray(scores, np.float64), (n,)).copy(),
            problems=np.full(n, None, object),
            fields={name: column(values) for name, values in (fields or {}).items()},
            signals={name: np.array(each, np.float64) for name, each in (signals or {}).items()},
            listed=listed,
        ),
        days=np.broadcast_to(np.asarray(days, np.int64), (n,)).copy(),
        slices={name: column(values) for name, values in (slices or {}).items()},
    )


def policy(**monitoring: Any) -> Policy:
    return make_policy(monitoring={"share": 0.01, "each_class": 0} | monitoring, routes=[])


def sampled(
    rule: Policy,
    given_answers: Answers,
    *,
    traffic: Traffic | None = None,
    raised: Sequence[RaisedSlice] = (),
) -> Sampled:
    counted = traffic or Traffic()
    counted.count(given_answers)
    return sample(rule, given_answers, counted, raised)


def reasons(found: Sampled) -> set[str]:
    return {each for each in found.reasons.tolist() if each is not None}


def test_without_anything_else_the_policys_share_is_drawn_by_salt_and_id() -> None:
    found = sampled(policy(share=0.05), answers(["cat"] * 20_000))
    assert set(found.shares.tolist()) == {0.05}
    expected = draws("labelgate", STREAM, np.arange(1, 20_001)) < 0.05
    assert found.drawn.tolist() == expected.tolist()
    assert 900 < found.drawn.sum() < 1_100
    assert reasons(found) == {"5.0% of all answers"}
    assert all(
        (reason is None) == (not drawn)
        for reason, drawn in zip(found.reasons, found.drawn, strict=True)
    )


def test_the_draw_of_an_answer_is_its_own_however_the_chunks_fall() -> None:
    together = sampled(policy(share=0.2), answers(["cat"] * 1_000))
    later = sampled(policy(share=0.2), answers(["dog"] * 600, first_id=401))
    assert together.draws[400:].tolist() == later.draws.tolist()


def test_a_larger_share_draws_whom_a_smaller_one_drew() -> None:
    few = sampled(policy(share=0.05), answers(["cat"] * 5_000)).drawn
    more = sampled(policy(share=0.15), answers(["cat"] * 5_000)).drawn
    assert few.sum() < more.sum()
    assert not (few & ~more).any()


def test_a_rare_class_gets_what_is_wanted_of_it_in_thirty_days() -> None:
    traffic = Traffic()
    for day in range(DAY - 29, DAY):
        traffic.add((None, "common"), day, 1_000)
        traffic.add((None, "rare"), day, 1)
    found = sampled(policy(each_class=10), answers(["common"] * 999 + ["rare"]), traffic=traffic)
    assert found.shares[0] == 0.01  # ten of about 30,000 are fewer than the policy's share brings
    assert found.shares[-1] == pytest.approx(10 / 30)
    assert found.reasons[-1] in (
        None,
        "33.3% of the answers 'rare': 10 in 30 days are wanted, about 30 come",
    )


def test_the_reason_of_a_class_says_how_many_are_wanted_and_come() -> None:
    found = sampled(policy(each_class=40), answers(["rare"] * 4))  # 120 at this pace
    assert found.shares.tolist() == pytest.approx([1 / 3] * 4)
    every = sampled(policy(each_class=400), answers(["rare"] * 4))
    assert reasons(every) == {
        "100.0% of the answers 'rare': 400 in 30 days are wanted, about 120 come"
    }


def test_the_value_of_a_slice_counts_as_a_class_does() -> None:
    found = sampled(
        policy(each_class=3, slices=["site"]),
        answers(["cat"] * 4, slices={"site": ["Basel", "Basel", "Lyon", None]}),
    )
    per_day = {"Basel": 2, "Lyon": 1}
    assert found.shares[:3].tolist() == pytest.approx(
        [3 / (30 * per_day[site]) for site in ("Basel", "Basel", "Lyon")]
    )
    assert found.shares[3] == pytest.approx(3 / 120)  # its class alone
    all_of = sampled(
        policy(each_class=30, slices=["site"]),
        answers(["cat"] * 5, slices={"site": ["B"] * 4 + ["L"]}),
    )
    assert "100.0% of the answers with site 'L': 30 in 30 days are wanted, about 30 come" in (
        reasons(all_of)
    )


def test_answers_that_are_no_labels_of_a_list_are_one_class() -> None:
    given_answers = answers([f'{{"text": "{n}"}}' for n in range(60)], listed=False)
    found = sampled(policy(each_class=90), given_answers)
    assert set(found.shares.tolist()) == {90 / 1_800}
    assert reasons(found) <= {"5.0% of the answers: 90 in 30 days are wanted, about 1,800 come"}


def test_shares_never_depend_on_who_was_drawn_before() -> None:
    """The same answers before, drawn or not: the same shares after."""
    first, second = answers(["cat", "dog"] * 50), answers(["cat"] * 40, first_id=1_000)
    shares = []
    for salt in ("one", "another"):
        rule = make_policy(monitoring={"share": 0.3, "each_class": 5}, salt=salt)
        traffic = Traffic()
        sampled(rule, with_source(first), traffic=traffic)
        shares.append(sampled(rule, with_source(second), traffic=traffic).shares.tolist())
    assert shares[0] == shares[1]


def with_source(given_answers: Answers) -> Answers:
    given_answers.candidates.fields["source"] = np.full(len(given_answers), None, object)
    return given_answers


def test_a_rule_raises_the_share_of_what_it_matches_and_says_so() -> None:
    rule = policy(
        rules=[
            {"when": {"kind": "score", "below": 0.6}, "share": 0.5},
            {"when": {"kind": "predicted_label", "in": ["dog"]}, "share": 0.2},
        ]
    )
    found = sampled(rule, answers(["cat", "dog", "dog"] * 100, scores=[0.9, 0.9, 0.5] * 100))
    assert found.shares[:3].tolist() == [0.01, 0.2, 0.5]
    told = reasons(found)
    assert "50.0% of what monitoring.rules[0] matches: the score is below 0.6" in told
    assert "20.0% of what monitoring.rules[1] matches: the predicted label is one of 'dog'" in told


def test_an_unknown_signal_or_score_matches_nothing_not_even_negated() -> None:
    rule = policy(
        rules=[
            {"when": {"kind": "novelty", "above": 0.1}, "share": 1.0},
            {"when": {"not": {"kind": "novelty", "above": 0.1}}, "share": 1.0},
            {"when": {"kind": "score", "below": 0.99}, "share": 1.0},
        ]
    )
    unknown = answers(["cat"] * 3, scores=np.nan, signals={"novelty": [np.nan] * 3})
    assert set(sampled(rule, unknown).shares.tolist()) == {0.01}
    known = answers(["cat"], scores=np.nan, signals={"novelty": [0.4]})
    assert sampled(rule, known).shares.tolist() == [1.0]


def test_a_random_share_inside_a_rule_draws_apart_from_the_draw_itself() -> None:
    rule = policy(rules=[{"when": {"kind": "random_share", "share": 0.5}, "share": 0.5}])
    found = sampled(rule, answers(["cat"] * 4_000))
    chosen = found.shares == 0.5
    assert 0.45 < chosen.mean() < 0.55
    assert 0.45 < found.drawn[chosen].mean() < 0.55


def test_what_a_route_would_match_is_drawn_more_only_where_the_policy_asks() -> None:
    routes = [{"kind": "task_field", "field": "site", "equals": "Basel", "tier": "senior"}]
    given_answers = answers(["cat"] * 2, fields={"site": ["Basel", None]})
    for routed, expected in ((0.0, [0.01, 0.01]), (0.4, [0.4, 0.01])):
        rule = make_policy(
            monitoring={"share": 0.01, "each_class": 0, "routed": routed}, routes=routes
        )
        assert fields_of(rule) == (("site",) if routed else ())
        assert sampled(rule, given_answers).shares.tolist() == expected
    always = make_policy(monitoring={"share": 0.01, "each_class": 0, "routed": 1.0}, routes=routes)
    assert "100.0% of what routes[0] matches: the task's site is one of 'Basel'" in reasons(
        sampled(always, given_answers)
    )


def test_a_slice_that_drifted_is_drawn_more_up_to_what_drift_allows() -> None:
    raised = [
        RaisedSlice(factor=3.0, most=0.5, label="dog"),
        RaisedSlice(factor=100.0, most=0.5, field="site", value="Lyon"),
    ]
    found = sampled(
        policy(share=0.1),
        answers(["cat", "dog", "dog"] * 50, fields={"site": ["Basel", "Basel", "Lyon"] * 50}),
        raised=raised,
    )
    assert found.shares[:3].tolist() == pytest.approx([0.1, 0.3, 0.5])
    assert "50.0% of a slice that drifted" in reasons(found)


def test_of_a_few_days_the_pace_is_told_and_what_is_older_than_thirty_is_forgotten() -> None:
    traffic = Traffic()
    assert traffic.expected((None, "cat"), DAY) == 0
    traffic.add((None, "cat"), DAY, 2)
    assert traffic.expected((None, "cat"), DAY) == 60
    traffic.add((None, "dog"), DAY - 9, 1)
    assert traffic.expected((None, "cat"), DAY) == 6  # two in the ten days that are known
    assert traffic.expected((None, "cat"), DAY + 29) == 2
    assert traffic.expected((None, "cat"), DAY + 30) == 0


@settings(deadline=None, max_examples=60)
@given(
    share=st.floats(0.001, 1),
    each_class=st.integers(0, 50),
    labels=st.lists(st.sampled_from(["a", "b", "c"]), max_size=30),
    days=st.integers(0, 60),
)
def test_no_share_is_under_the_policys_or_over_one(
    share: float, each_class: int, labels: list[str], days: int
) -> None:
    found = sampled(
        policy(share=share, each_class=each_class),
        answers(labels, days=[DAY + (place * 7) % (days + 1) for place in range(len(labels))]),
    )
    assert ((found.shares >= share) & (found.shares <= 1)).all()
    assert (found.draws >= 0).all()
    assert (found.draws < 1).all()


@pytest.mark.simulation
def test_weights_of_one_over_the_share_tell_the_whole_months_accuracy_without_bias() -> None:
    """400 months of 3,000 answers; rare classes are wrong more often and drawn by their floor."""
    rng = np.random.default_rng(7)
    month, chunk, off = 3_000, 100, []
    labels = np.array(["common"] * 2_400 + ["rare"] * 540 + ["rarest"] * 60, object)
    error = {"common": 0.05, "rare": 0.2, "rarest": 0.5}
    rare_drawn = []
    for number in range(400):
        given_labels = rng.permutation(labels)
        right = rng.random(month) >= np.array([error[label] for label in given_labels])
        traffic, shares, drawn = Traffic(), np.empty(month), np.empty(month, bool)
        for start in range(0, month, chunk):
            part = slice(start, start + chunk)
            found = sampled(
                policy(each_class=20, share=0.03),
                answers(
                    given_labels[part].tolist(),
                    days=DAY + start * 30 // month,
                    first_id=10_000 * number + start,
                ),
                traffic=traffic,
            )
            shares[part], drawn[part] = found.shares, found.drawn
        rare_drawn.append(np.count_nonzero(drawn & (given_labels == "rarest")))
        off.append((right[drawn] / shares[drawn]).sum() / month - right.mean())
    assert abs(np.mean(off)) < 4 * np.std(off) / 20  # no bias that 400 months would show
    assert 18 < np.mean(rare_drawn) < 32  # twenty are wanted
