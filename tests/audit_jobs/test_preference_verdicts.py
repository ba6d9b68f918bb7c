"""What the export rests on: nobody overrules judges who all say the same."""

from __future__ import annotations

from dataclasses import replace

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


@pytest.mark.parametrize("share_of_a", [0.5, 0.95, 1.0])
def test_unanimous_judges_are_never_overruled(share_of_a: float) -> None:
    truth = [Choice.A if number < 300 * share_of_a else Choice.B for number in range(300)]
    for each in verdicts(judged(truth)):
        if max(each.votes.values()) == each.judges:
            assert each.votes[each.choice] == each.judges
            assert each.confidence is not None
            assert each.confidence > 0.9


def test_two_of_three_nearly_always_decide_where_nobody_said_tie() -> None:
    """Judges of one skill: a pair on which they differ is none that they call alike."""
    truth = [Choice.A, Choice.B] * 22
    files = [verdicts(judged(truth, seed, skills=(0.85,) * 3)) for seed in range(12)]
    apart = [each for found in files for each in found if max(each.votes.values()) == 2]
    assert len(apart) > 150
    assert Choice.TIE not in {each.choice for each in apart}
    decided = [each for each in apart if each.votes[each.choice] == 2]
    assert len(decided) > 0.85 * len(apart)
    assert 0.6 < np.mean([each.confidence or 0.0 for each in decided]) < 0.9


def test_a_pair_may_be_a_tie_where_judges_say_so() -> None:
    pairs = judged([Choice.A, Choice.B] * 20, seed=3, skills=(0.9, 0.9, 0.9))
    alike = [
        replace(
            pair,
            judgments=tuple(replace(each, choice=Choice.TIE) for each in pair.judgments),
        )
        for pair in pairs[:8]
    ]
    assert {each.choice for each in verdicts([*alike, *pairs[8:]])[:8]} == {Choice.TIE}
