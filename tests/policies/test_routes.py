"""What the kinds of routes match, and what holds for all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.domain import Candidates, Decision, Outcome
from policies.engine import decide
from policies.loading import PolicyError, parse_policy
from policies.promises import AutoAccept
from policies.schema import Policy
from policies.uncertainty import entropies, margins
from tests.fakes.policy_documents import (
    LABELS,
    later_sections,
    make_candidates,
    make_certification,
    make_policy,
    policies,
    policy_document,
    promises,
    routes,
)

NAN = math.nan
CAT = {"kind": "predicted_label", "in": ["cat"]}
UNSURE = {"kind": "score", "below": 0.8}
PRESS = {"kind": "source", "in": ["press"]}
SIGNALS: dict[str, list[float]] = {
    "margin": [0.5],
    "entropy": [0.3],
    "class_support": [12],
    "novelty": [0.2],
    "near_duplicate": [0.3],
    "version_disagreement": [0.0],
    "model_disagreement": [0.0],
    "region_count": [3],
    "lowest_region_score": [0.9],
    "interval_width": [0.1],
}
SECOND = {"second": {"kind": "upstream", "url": "http://127.0.0.1:9091"}}
COUNT = {"kind": "region_count"}
WIDE = {"kind": "interval_width"}
LOWEST = {"kind": "lowest_region_score", "below": 0.5}
NOVEL = {"kind": "novelty", "above": 0.6}
TWIN = {"kind": "near_duplicate", "above": 0.8}
CHANGED = {"kind": "version_disagreement"}
DIFFERS = {"kind": "model_disagreement"}
UPSTREAM = {"kind": "upstream_disagreement", "field": "source"}


def fires(
    condition: dict[str, Any],
    *,
    label: str | None = "cat",
    score: float = 0.9,
    source: object = None,
    **signals: float,
) -> bool:
    second = {} if "model_disagreement" not in str(condition) else SECOND
    policy = make_policy(routes=[condition | {"tier": "senior"}], model=second)
    given_signals = SIGNALS | {name: [value] for name, value in signals.items()}
    candidates = make_candidates([(UNDRAWN, label, score, None, source)], **given_signals)
    return bool(decide(policy, candidates)[0].rule == "routes[0]")


def _undrawn() -> int:
    policy = make_policy(routes=[])
    rows = [(task_id, "cat", 0.9, None, None) for task_id in range(1, 99)]
    rules = decide(policy, make_candidates(rows)).rules
    return int(rows[rules.tolist().index("no_certificate")][0])


UNDRAWN = _undrawn()


@pytest.mark.parametrize(
    ("condition", "row", "expected"),
    [
        (UNSURE, {"score": 0.79}, True),
        (UNSURE, {"score": 0.8}, False),
        (UNSURE, {"score": NAN}, False),
        (UNSURE, {"score": 1.5}, False),
        ({"kind": "score", "above": 0.6}, {"score": 0.61}, True),
        ({"kind": "score", "above": 0.6}, {"score": 0.6}, False),
        ({"kind": "margin", "below": 0.2}, {"margin": 0.1}, True),
        ({"kind": "margin", "below": 0.2}, {"margin": 0.2}, False),
        ({"kind": "margin", "below": 0.2}, {"margin": NAN}, False),
        ({"kind": "entropy", "above": 0.6}, {"entropy": 0.7}, True),
        ({"kind": "entropy", "above": 0.6}, {"entropy": 0.6}, False),
        ({"kind": "class_support", "below": 20}, {"class_support": 19}, True),
        ({"kind": "class_support", "below": 20}, {"class_support": 20}, False),
        ({"kind": "class_support", "below": 20}, {"class_support": NAN}, False),
        (NOVEL, {"novelty": 0.61}, True),
        (NOVEL, {"novelty": 0.6}, False),
        (NOVEL, {"novelty": NAN}, False),
        (TWIN, {"near_duplicate": 0.81}, True),
        (TWIN, {"near_duplicate": 0.8}, False),
        ({"not": TWIN}, {"near_duplicate": 0.0}, True),
        ({"not": TWIN}, {"near_duplicate": NAN}, False),
        (CHANGED, {"version_disagreement": 1.0}, True),
        (CHANGED, {"version_disagreement": 0.0}, False),
        (CHANGED, {"version_disagreement": NAN}, False),
        ({"not": CHANGED}, {"version_disagreement": 0.0}, True),
        ({"not": CHANGED}, {"version_disagreement": NAN}, False),
        (DIFFERS, {"model_disagreement": 1.0}, True),
        (DIFFERS, {"model_disagreement": 0.0}, False),
        (DIFFERS, {"model_disagreement": NAN}, False),
        ({"not": DIFFERS}, {"model_disagreement": 0.0}, True),
        ({"not": DIFFERS}, {"model_disagreement": NAN}, False),
        (UPSTREAM, {"source": "dog"}, True),
        (UPSTREAM, {"source": " cat "}, False),
        (UPSTREAM, {"label": "8", "source": 8}, False),
        (UPSTREAM, {"label": "8", "source": 8.0}, False),
        (UPSTREAM, {"label": "8", "source": 9}, True),
        (UPSTREAM, {"source": None}, False),
        (UPSTREAM, {"source": ""}, False),
        (UPSTREAM, {"source": ["dog"]}, False),
        (UPSTREAM, {"label": None, "score": NAN, "source": "dog"}, False),
        ({"not": UPSTREAM}, {"source": "cat"}, True),
        ({"not": UPSTREAM}, {"source": None}, False),
        (COUNT | {"below": 3}, {"region_count": 2}, True),
        (COUNT | {"below": 3}, {"region_count": 3}, False),
        (COUNT | {"above": 3}, {"region_count": 4}, True),
        (COUNT | {"above": 0}, {"region_count": 0}, False),
        (COUNT | {"range": {"min": 2, "max": 4}}, {"region_count": 4}, True),
        (COUNT | {"range": {"max": 4}}, {"region_count": 5}, False),
        (COUNT | {"range": {"max": 4}}, {"region_count": NAN}, False),
        ({"not": COUNT | {"range": {"min": 2}}}, {"region_count": 1}, True),
        (WIDE | {"above": 2}, {"interval_width": 2.5}, True),
        (WIDE | {"above": 2}, {"interval_width": 2}, False),
        (WIDE | {"above": 2}, {"interval_width": NAN}, False),
        ({"not": WIDE | {"below": 3}}, {"interval_width": 3}, True),
        ({"not": COUNT | {"range": {"min": 2}}}, {"region_count": NAN}, False),
        (LOWEST, {"lowest_region_score": 0.49}, True),
        (LOWEST, {"lowest_region_score": 0.5}, False),
        (LOWEST, {"lowest_region_score": NAN}, False),
        (PRESS, {"source": "press"}, True),
        (PRESS, {}, False),
        ({"not": UNSURE | {"below": 0.6}}, {"score": 0.9}, True),
        ({"not": UNSURE | {"below": 0.6}}, {"score": NAN}, False),
        ({"not": CAT}, {"label": "dog"}, True),
        ({"not": CAT}, {"label": "cat"}, False),
        ({"not": CAT}, {"label": None, "score": NAN}, False),
        ({"not": PRESS}, {}, True),
        ({"not": {"not": PRESS}}, {"source": "press"}, True),
        ({"all": [CAT, UNSURE]}, {"score": 0.7}, True),
        ({"all": [CAT, UNSURE]}, {"score": 0.9}, False),
        ({"kind": "any", "any": [CAT, UNSURE]}, {"score": 0.9}, True),
        ({"any": [CAT, UNSURE]}, {"label": "dog"}, False),
        ({"any": [PRESS, UNSURE]}, {"score": NAN, "source": "press"}, True),
        ({"not": {"any": [PRESS, CAT]}}, {"label": None}, False),
        ({"not": {"all": [PRESS, CAT]}}, {"label": None}, True),
        ({"kind": "random_share", "share": 1}, {}, True),
    ],
)
def test_what_a_condition_matches(
    condition: dict[str, Any],
    row: dict[str, Any],
    expected: bool,  # noqa: FBT001 - one column of the table
) -> None:
    assert fires(condition, **row) is expected


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ({"regex": "refund|charge"}, "a recharge", True),
        ({"regex": "^refund"}, "no refund", False),
        ({"regex": "1"}, 1, False),
        ({"regex": "x"}, "a" * 500 + "x", False),
        ({"range": {"min": 10}}, 10, True),
        ({"range": {"min": 10}}, 9.99, False),
        ({"range": {"max": 10}}, 10, True),
        ({"range": {"min": 1, "max": 2}}, 1.5, True),
        ({"range": {"min": 1, "max": 2}}, 3, False),
        ({"range": {"max": 10}}, "3", False),
        ({"range": {"max": 10}}, True, False),
        ({"range": {"max": 10}}, NAN, False),
        ({"range": {"max": 10}}, [1], False),
    ],
)
def test_what_a_task_field_matches(
    comparison: dict[str, Any],
    value: object,
    expected: bool,  # noqa: FBT001 - one column of the table
) -> None:
    condition = {"kind": "task_field", "field": "source", **comparison}
    assert fires(condition, source=value) is expected


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (UNSURE, "the score is below 0.8"),
        (
            {"all": [{"kind": "class_support", "below": 20}, {"any": [PRESS, UNSURE]}]},
            (
                "the model was trained on fewer than 20 of the predicted label and (the task's "
                "source is one of 'press' or the score is below 0.8)"
            ),
        ),
        ({"not": PRESS}, "not (the task's source is one of 'press')"),
        ({"kind": "random_share", "share": 1}, "drawn at random (100.0% of the tasks)"),
        (
            {"kind": "task_field", "field": "source", "range": {"min": 1, "max": 2}},
            "the task's source is from 1 to 2",
        ),
        (
            {"kind": "task_field", "field": "source", "regex": "x$"},
            "the task's source matches 'x$'",
        ),
        (NOVEL | {"above": 0.1}, "the distance to the training data is above 0.1"),
        (
            {"not": TWIN},
            "not (its similarity to a human-labelled task is above 0.8)",
        ),
        ({"not": CHANGED}, "not (the version that served before predicts another label)"),
        (COUNT | {"above": 2}, "the number of regions is above 2"),
        (COUNT | {"below": 4}, "the number of regions is below 4"),
        (COUNT | {"range": {"min": 1, "max": 4}}, "the number of regions is from 1 to 4"),
        (LOWEST | {"below": 0.95}, "the lowest score of a region is below 0.95"),
        (
            {"kind": "margin", "below": 0.6},
            "the margin between the two best labels is below 0.6",
        ),
    ],
)
def test_the_reason_says_the_condition(condition: dict[str, Any], reason: str) -> None:
    policy = make_policy(routes=[condition | {"tier": "senior"}])
    source = "x" if "regex" in condition else 1 if "range" in condition else None
    row = (UNDRAWN, "cat", 0.7, None, source or ("web" if "not" in condition else None))
    candidates = make_candidates([row], **SIGNALS)
    assert decide(policy, candidates)[0].reason.removesuffix(ENOUGH) == reason


ENOUGH = "; drawn for agreement: 2 people answer"


def test_random_shares_hold_and_draw_apart() -> None:
    share = {"kind": "random_share", "share": 0.2}
    policy = make_policy(routes=[share | {"tier": "senior"}, share | {"tier": "general"}])
    rows = [(task_id, "cat", 0.9, None, None) for task_id in range(1, 40_001)]
    rules = decide(policy, make_candidates(rows)).rules
    outside = ~np.isin(rules, ["control", "holdout"])
    first = (rules == "routes[0]").sum() / outside.sum()
    second = (rules == "routes[1]").sum() / (outside & (rules != "routes[0]")).sum()
    assert 0.19 < first < 0.21
    assert 0.19 < second < 0.21


def test_a_signal_that_the_policy_names_must_be_given() -> None:
    policy = make_policy(
        routes=[{"any": [{"kind": "margin", "below": 0.1}, PRESS], "tier": "senior"}]
    )
    assert policy.signals_used == ("margin",)
    assert policy.fields_used == ("source",)
    without = policy.model_copy(update={"routes": ()})
    assert (without.signals_used, without.fields_used) == ((), ())
    assert policy.signals_used == ("margin",)
    with pytest.raises(ValueError, match="signals not given: \\['margin'\\]"):
        decide(policy, make_candidates([(1, "cat", 0.9, None, None)]))


SURE = {"kind": "score", "above": 0.9}


@pytest.mark.parametrize(
    ("condition", "path", "way_out"),
    [
        (SURE, "routes[0].above", "use 'below'"),
        ({"all": [CAT, SURE]}, "routes[0].all[1].above", "use 'below'"),
        ({"not": UNSURE}, "routes[0].not.below", "use 'above' under 'not'"),
        ({"not": {"not": SURE}}, "routes[0].not.not.above", "use 'below'"),
        ({"kind": "margin", "above": 0.1}, "routes[0].above", "use 'below'"),
        ({"kind": "entropy", "below": 0.1}, "routes[0].below", "use 'above'"),
        ({"kind": "novelty", "below": 0.1}, "routes[0].below", "use 'above'"),
        ({"not": NOVEL}, "routes[0].not.above", "use 'below' under 'not'"),
        ({"kind": "lowest_region_score", "above": 0.8}, "routes[0].above", "use 'below'"),
        ({"kind": "score", "above": 0.7}, "routes[0].above", "use 'below'"),
    ],
)
def test_a_route_that_would_send_surer_answers_to_people_is_refused(
    condition: dict[str, Any], path: str, way_out: str
) -> None:
    document = policy_document(routes=[condition | {"tier": "senior"}])
    with pytest.raises(ValidationError, match="sends surer answers to people") as caught:
        Policy.model_validate(document)
    assert f"{path} sends" in str(caught.value)
    assert f"({way_out})" in str(caught.value)
    assert Policy.model_validate(document | {"auto_accept": "never"}).routes


def test_a_score_band_under_the_floor_is_fine() -> None:
    band = [{"kind": "score", "above": 0.4}, {"kind": "score", "below": 0.6}]
    assert make_policy(routes=[{"all": band, "tier": "senior"}]).routes


def test_the_short_and_the_long_form_are_the_same_policy() -> None:
    short = make_policy(routes=[{"not": CAT, "tier": "senior"}])
    assert short == make_policy(routes=[{"kind": "not", "not": CAT, "tier": "senior"}])


def test_margins_and_entropies_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3], [0.0, 1.0, 0.0]])
    assert margins(probabilities).tolist() == pytest.approx([0.5, 0.0, 1.0])
    by_hand = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1)) / math.log(3)
    assert entropies(probabilities).tolist() == pytest.approx([by_hand, 1.0, 0.0])
    assert margins(np.ones((2, 1))).tolist() == [1, 1]
    assert entropies(np.ones((2, 1))).tolist() == [0, 0]


_rows = st.fixed_dictionaries(
    {
        "id": st.integers(0, 10**9),
        "label": st.none() | st.sampled_from(LABELS),
        "value": st.none() | st.sampled_from(["press", "a1", 1, True, 3.5]),
        "score": st.floats(0, 1) | st.just(NAN),
        "margin": st.floats(0, 1) | st.just(NAN),
        "entropy": st.floats(0, 1) | st.just(NAN),
        "class_support": st.integers(0, 60),
        "novelty": st.floats(0, 1) | st.just(NAN),
        "near_duplicate": st.floats(0, 1) | st.just(NAN),
        "version_disagreement": st.sampled_from([0.0, 1.0, NAN]),
        "model_disagreement": st.sampled_from([0.0, 1.0, NAN]),
        "region_count": st.integers(0, 9) | st.just(NAN),
        "lowest_region_score": st.floats(0, 1) | st.just(NAN),
        "interval_width": st.floats(0, 1e6) | st.just(NAN),
    }
)


NOT_ABOUT_CONFIDENCE = {
    "class_support": 20,
    "near_duplicate": 0.7,
    "version_disagreement": 0.0,
    "model_disagreement": 0.0,
    "region_count": 3,
}


def as_candidates(policy: Policy, rows: list[dict[str, Any]]) -> Candidates:
    plain = [(row["id"], row["label"], row["score"], None, row["value"]) for row in rows]
    signals = {name: [row[name] for row in rows] for name in SIGNALS}
    made = make_candidates(plain, **signals)
    made.fields.update(dict.fromkeys(policy.fields_used, made.fields["source"]))
    return made


def decided(policy: Policy, rows: list[dict[str, Any]], threshold: float) -> list[Decision]:
    promise = policy.auto_accept
    certificate = None
    if isinstance(promise, AutoAccept):
        certificate = make_certification(
            threshold, max_error_rate=promise.max_error_rate, confidence=promise.confidence
        )
    version = "m1"
    return list(decide(policy, as_candidates(policy, rows), certificate, model_version=version))


@given(policies(), st.lists(_rows, max_size=20), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_any_routes_decide_totally_and_the_same_one_by_one(
    policy: Policy, rows: list[dict[str, Any]], threshold: float
) -> None:
    together = decided(policy, rows, threshold)
    assert together == decided(policy, rows, threshold)
    assert together == [one for row in rows for one in decided(policy, [row], threshold)]
    assert all(one.rule and one.reason for one in together)


_sure = st.floats(0, 1) | st.floats(0.7, 1)


@given(
    st.lists(routes(("general", "senior")), min_size=1, max_size=2),
    st.sampled_from(["cat", "dog"]),
    st.sampled_from(["press", "a1", 1, True]),
    st.lists(st.tuples(_sure, _sure, _sure), min_size=2, max_size=2),
    st.fixed_dictionaries({}, optional={"auto_accept": promises()}),
    later_sections(("general", "senior")),
)
@settings(max_examples=500, deadline=None)
def test_under_any_policy_more_confidence_never_means_more_review(  # noqa: PLR0917 - all drawn
    some_routes: list[dict[str, Any]],
    label: str,
    value: object,
    sureness: list[tuple[float, float, float]],
    promise: dict[str, Any],
    sections: dict[str, Any],
) -> None:
    policy = make_policy(routes=some_routes, **promise, **sections)
    row = {"id": UNDRAWN, "label": label, "value": value, **NOT_ABOUT_CONFIDENCE}
    rows = [
        row
        | {"score": score, "margin": margin, "entropy": 1 - certain}
        | {"lowest_region_score": margin, "novelty": 1 - certain, "interval_width": 1 - certain}
        for score, margin, certain in zip(*map(sorted, zip(*sureness, strict=True)), strict=True)
    ]
    less, more = (decided(policy, [one], 0.7)[0].outcome for one in rows)
    assert (less, more) != (Outcome.ACCEPT, Outcome.REVIEW)


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "score", "below": 0.9},
        {"kind": "margin", "below": 0.9},
        {"kind": "entropy", "above": 0.1},
        {"kind": "novelty", "above": 0.1},
        {"kind": "lowest_region_score", "below": 0.9},
        {"kind": "interval_width", "above": 0.1},
        {"not": {"kind": "score", "above": 0.9}},
        {"not": {"kind": "margin", "above": 0.9}},
        {"not": {"kind": "entropy", "below": 0.1}},
        {"all": [CAT, {"not": {"any": [PRESS, {"kind": "score", "above": 0.9}]}}]},
    ],
)
def test_up_a_ladder_of_confidence_review_turns_to_accept_once(condition: dict[str, Any]) -> None:
    policy = make_policy(routes=[condition | {"tier": "senior"}])
    row = {"id": UNDRAWN, "label": "cat", "value": None, **NOT_ABOUT_CONFIDENCE}
    ladder = [0.7, 0.75, 0.8, 0.85, 0.89, 0.91, 0.95, 1.0]
    rows = [
        row
        | {"score": step, "margin": step, "entropy": 1 - step}
        | {"lowest_region_score": step, "novelty": 1 - step, "interval_width": 1 - step}
        for step in ladder
    ]
    outcomes = [one.outcome for one in decided(policy, rows, 0.7)]
    assert outcomes == [Outcome.REVIEW] * 5 + [Outcome.ACCEPT] * 3


def test_nested_routes_are_read_from_a_file_with_the_line_of_a_mistake() -> None:
    text = """\
project: 1
stakes: low
tiers: [{name: general, reviewers: [a@x.org], cost_per_label: 1, daily_capacity: 1}]
auto_accept: never
routes:
  - all:
      - {kind: predicted_label, in: [a]}
      - any:
          - {kind: score, below: 8}
          - not: {kind: source, inn: [press]}
    tier: general
"""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "nested.yaml")
    assert str(caught.value) == (
        "nested.yaml:9  routes[0].all[1].any[0].below = 8  must be between 0 and 1 "
        "(did you mean 0.08?)\n"
        "nested.yaml:10  routes[0].all[1].any[1].not.in  is missing\n"
        "nested.yaml:10  routes[0].all[1].any[1].not.inn  is not a known key "
        "(did you mean 'in'?)"
    )
