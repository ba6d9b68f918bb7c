"""One more reader, enough, or a higher tier: the rule of adaptive overlap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.overlap import NextStep, next_step

BARS = st.floats(min_value=0, max_value=1, exclude_min=True)
CONFIDENCES = st.none() | st.floats(0, 1) | st.just(math.nan)
KNOWN = st.floats(0, 1)
ANSWERS = st.integers(0, 30)
MOST = st.integers(1, 20)


@given(CONFIDENCES, ANSWERS, BARS, MOST)
def test_no_reader_is_asked_past_the_maximum_and_none_escalates_before_it(
    confidence: float | None, answers: int, bar: float, most: int
) -> None:
    step = next_step(confidence, answers, bar=bar, most=most)
    if step is NextStep.ONE_MORE_READER:
        assert answers < most
    if step is NextStep.ESCALATE:
        assert answers >= most


@given(CONFIDENCES, ANSWERS, BARS, MOST)
def test_enough_means_an_answer_and_a_known_confidence_at_the_bar(
    confidence: float | None, answers: int, bar: float, most: int
) -> None:
    enough = next_step(confidence, answers, bar=bar, most=most) is NextStep.ENOUGH
    assert enough == (answers > 0 and confidence is not None and confidence >= bar)


@given(KNOWN, KNOWN, ANSWERS, BARS, MOST)
def test_more_confidence_never_asks_for_more(
    one: float, other: float, answers: int, bar: float, most: int
) -> None:
    less, more = (
        next_step(confidence, answers, bar=bar, most=most) for confidence in sorted((one, other))
    )
    assert more is NextStep.ENOUGH or more is less


@given(KNOWN, ANSWERS, BARS, BARS, MOST)
def test_a_lower_bar_never_asks_for_more(
    confidence: float, answers: int, one: float, other: float, most: int
) -> None:
    low, high = sorted((one, other))
    lenient = next_step(confidence, answers, bar=low, most=most)
    strict = next_step(confidence, answers, bar=high, most=most)
    assert lenient is NextStep.ENOUGH or lenient is strict


@given(CONFIDENCES, BARS, MOST)
def test_every_task_ends_whatever_the_answers_are(
    confidence: float | None, bar: float, most: int
) -> None:
    answers = 0
    while next_step(confidence, answers, bar=bar, most=most) is NextStep.ONE_MORE_READER:
        answers += 1
    assert answers <= most


@pytest.mark.parametrize(
    ("bar", "answers", "most"),
    [(0.0, 1, 3), (1.01, 1, 3), (math.nan, 1, 3), (0.9, -1, 3), (0.9, 0, 0)],
)
def test_a_rule_that_means_nothing_is_refused(bar: float, answers: int, most: int) -> None:
    with pytest.raises(ValueError, match="must"):
        next_step(0.5, answers, bar=bar, most=most)
