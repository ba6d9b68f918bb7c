"""What the export rests on: nobody overrules judges who all say the same."""

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


@pytest.mark.parametrize("share_of_a", [0.5, 0.95, 1.0])
def test_unanimous_judges_are_never_overruled(share_of_a: float) -> None:
    truth = [Choice.A if number < 300 * share_of_a else Choice.B for number in range(300)]
    for each in verdicts(judged(truth)):
        if max(each.votes.values()) == each.judges:
            assert each.votes[each.choice] == each.judges
            assert each.confidence is not None
            assert each.confidence > 0.9
