"""The consensus does not depend on which answer is called A."""

from __future__ import annotations

import numpy as np
import pytest

from audit_jobs.measures.preferences.verdicts import verdicts
from policies.judgments import Choice, Judgment, PreferencePair

SKILLS = (0.9, 0.8, 0.6)


def judged(
    truth: list[Choice], seed: int = 0, skills: tuple[float, ...] = SKILLS
) -> list[PreferencePair]:
    rng = np.random.default_rng(seed)
    other = {Choice.A: Choice.B, Choice.B: Choice.A}
    return [
        PreferencePair(
            id=str(number),
            prompt=f"prompt {number}",
            response_a="one",
            response_b="other",
            judgments=tuple(
                Judgment(judge=str(judge), choice=right if rng.random() < skill else other[right])
                for judge, skill in enumerate(skills)
            ),
        )
        for number, right in enumerate(truth)
    ]


def turned(pairs: list[PreferencePair]) -> list[PreferencePair]:
    """The same judgements with the answers' letters exchanged in every second pair."""
    other = {Choice.A: Choice.B, Choice.B: Choice.A}
    return [
        pair
        if int(pair.id) % 2
        else PreferencePair(
            id=pair.id,
            prompt=pair.prompt,
            response_a=pair.response_b,
            response_b=pair.response_a,
            judgments=tuple(
                Judgment(judge=each.judge, choice=other[each.choice]) for each in pair.judgments
            ),
        )
        for pair in pairs
    ]


@pytest.mark.parametrize("share_of_a", [0.5, 0.95, 1.0])
def test_unanimous_judges_are_never_overruled(share_of_a: float) -> None:
    truth = [Choice.A if number < 300 * share_of_a else Choice.B for number in range(300)]
    for each in verdicts(judged(truth)):
        if max(each.votes.values()) == each.judges:
            assert each.votes[each.choice] == each.judges
            assert each.confidence is not None
            assert each.confidence > 0.9


def test_exchanging_letters_exchanges_the_choice_and_keeps_the_confidence() -> None:
    pairs = judged([Choice.A] * 200)
    for one, other in zip(verdicts(pairs), verdicts(turned(pairs)), strict=True):
        same = bool(int(one.id) % 2)
        assert (one.choice is other.choice) is same
        assert other.confidence == pytest.approx(one.confidence, abs=1e-6)


def test_a_judge_alone_says_what_he_says_and_nothing_tells_how_sure_that_is() -> None:
    truth = [Choice.A, Choice.B, Choice.A]
    told = verdicts(judged(truth, skills=(1.0,)))
    assert [(each.choice, each.confidence) for each in told] == [(each, None) for each in truth]
    assert verdicts([]) == []
