"""Who was shown what: the delivered look, the decision in force, and neither."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit_jobs.corrections.figures import blind_error_of
from audit_jobs.corrections.shown import columns_of, seen_by_people
from backend.store.corrections import AnsweredTask, InForce
from policies.adjudication import ESCALATION
from policies.domain import Outcome, Purpose

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DECIDED = InForce(
    label="A",
    score=0.6,
    model_version="v1",
    outcome=Outcome.REVIEW,
    purpose=Purpose.ROUTED,
    rule="below_threshold",
    inclusion_probability=1.0,
)
CONTROL = replace(DECIDED, purpose=Purpose.CONTROL, rule="control", inclusion_probability=0.1)


def look(**changes: object) -> dict[str, Any]:
    shown = {"marker": "general", "label": "A", "version": "v1", "accepts": False, "overlap": 1}
    return {**shown, **changes}


BLIND = look(label=None, version=None)


def answer(**changes: Any) -> AnsweredTask:
    values: dict[str, Any] = {
        "annotation_id": 1,
        "task_id": 7,
        "user_id": 3,
        "label": "B",
        "created_at": NOON,
        "lead_time_s": 4.0,
        "mirrored": False,
        "delivered": look(),
        "delivered_at": NOON - HOUR,
        "in_force": DECIDED,
    }
    return AnsweredTask(**(values | changes))


def test_an_answer_is_compared_with_what_was_shown_whatever_was_decided_since() -> None:
    decided = replace(DECIDED, label="B", model_version="v2")
    (seen,), left = seen_by_people([answer(in_force=decided)])
    assert (seen.predicted, seen.said, seen.model_version, seen.shown) == ("A", "B", "v1", True)
    assert math.isnan(seen.score)  # the score in the ledger is that of another answer
    assert left == {}
    assert seen.week == "2026-W10"


def test_a_blind_answer_is_compared_with_the_hidden_prediction() -> None:
    (seen,), _ = seen_by_people([answer(delivered=BLIND, in_force=CONTROL)])
    assert (seen.predicted, seen.shown, seen.score, seen.probability) == ("A", False, 0.6, 0.1)


def test_an_audit_is_blind_and_no_sample_of_all_tasks() -> None:
    audited = replace(CONTROL, outcome=Outcome.ACCEPT, purpose=Purpose.AUDIT)
    for known in (BLIND, None):
        (seen,), _ = seen_by_people([answer(delivered=known, in_force=audited)])
        assert not seen.shown
        assert math.isnan(seen.probability)


def test_the_blind_error_rests_on_control_and_holdout_alone() -> None:
    holdout = replace(CONTROL, purpose=Purpose.HOLDOUT, rule="holdout", inclusion_probability=0.2)
    audited = replace(CONTROL, outcome=Outcome.ACCEPT, purpose=Purpose.AUDIT)
    random = [
        answer(task_id=1, delivered=BLIND, in_force=CONTROL),
        answer(task_id=2, delivered=BLIND, in_force=holdout, label="A"),
    ]
    others = [
        answer(task_id=3, delivered=BLIND, in_force=audited),
        answer(task_id=4, delivered=BLIND, in_force=replace(DECIDED, rule=ESCALATION)),
        answer(task_id=5, delivered=BLIND, in_force=replace(DECIDED, purpose=Purpose.RECALL)),
        answer(task_id=6, mirrored=True, in_force=audited),
        answer(task_id=1, user_id=4, delivered=BLIND, in_force=CONTROL),  # not the first
        answer(task_id=7),  # shown
    ]
    error = blind_error_of(columns_of(seen_by_people([*random, *others])[0], {}))
    assert error is not None
    # One of a tenth was wrong, one of a fifth right: ten labels of fifteen.
    assert (error["value"], error["n"]) == (pytest.approx(10 / 15), 2)
    seen, _ = seen_by_people(others)
    seen = [each for each in seen if each.task_id != 1]
    assert blind_error_of(columns_of(seen, {})) is None


@pytest.mark.parametrize(
    ("delivered", "delivered_at"),
    [(None, None), (BLIND, NOON + HOUR), (look(marker=None, label=None), NOON - HOUR)],
)
@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        (DECIDED, True),
        (CONTROL, False),
        (replace(DECIDED, rule=ESCALATION), False),
        (replace(DECIDED, purpose=Purpose.RECALL), False),
    ],
)
def test_where_the_look_is_not_known_the_decision_in_force_tells(
    delivered: dict[str, Any] | None,
    delivered_at: datetime | None,
    decision: InForce,
    *,
    shown: bool,
) -> None:
    given = answer(delivered=delivered, delivered_at=delivered_at, in_force=decision)
    (seen,), _ = seen_by_people([given])
    assert seen.shown is shown


def test_answers_in_a_mirror_are_blind() -> None:
    (seen,), _ = seen_by_people([answer(mirrored=True, delivered=look(accepts=True))])
    assert not seen.shown


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"delivered": look(accepts=True)}, "accepted"),
        ({"delivered": None, "in_force": replace(DECIDED, outcome=Outcome.ACCEPT)}, "accepted"),
        ({"delivered": BLIND, "in_force": None}, "nothing predicted"),
        ({"delivered": None, "in_force": replace(DECIDED, label=None)}, "nothing predicted"),
    ],
)
def test_what_was_no_answer_to_a_prediction_is_left_out(changes: dict[str, Any], why: str) -> None:
    assert seen_by_people([answer(**changes)]) == ([], {why: 1})


def test_the_first_answer_of_a_task_is_told_from_later_ones_and_repeats_go() -> None:
    seen, left = seen_by_people(
        [answer(), answer(label="A"), answer(user_id=4, label="A", in_force=CONTROL)]
    )
    assert [(each.user_id, each.first) for each in seen] == [(3, True), (4, False)]
    assert left == {"repeated": 1}


def test_columns_name_labels_tiers_and_people() -> None:
    seen, _ = seen_by_people([answer(), answer(task_id=8, user_id=4, label="A")])
    columns = columns_of(seen, {3: "general"})
    assert columns.labels == ("A", "B")
    assert columns.tiers == ("(no tier)", "general")
    assert [columns.tiers[code] for code in columns.tier] == ["general", "(no tier)"]
    assert columns.reviewers == ("3", "4")
    assert columns.corrected.tolist() == [True, False]
    assert len(columns_of([], {})) == 0
