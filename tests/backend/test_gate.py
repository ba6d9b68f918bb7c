"""The gate: a table of wins and losses, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from backend.gate import judge
from policies.domain import BoolArray
from policies.gate_checks import Measured


def answers(text: str) -> BoolArray:
    return np.array([each == "1" for each in text], dtype=np.bool_)


@pytest.mark.parametrize(
    ("challenger", "champion", "wins", "losses", "promoted"),
    [
        ("1111", "0000", 4, 0, True),
        ("1100", "1010", 1, 1, True),  # as good: the newer one serves
        ("1111", "1111", 0, 0, True),
        ("1000", "0110", 1, 2, False),
        ("0000", "1111", 0, 4, False),
        ("1" * 9 + "0", "0" * 9 + "1", 9, 1, True),
    ],
)
def test_not_worse_on_the_answers_where_they_differ(
    challenger: str, champion: str, wins: int, losses: int, *, promoted: bool
) -> None:
    verdict = judge(Measured(right=answers(challenger)), Measured(right=answers(champion)))
    assert verdict.promoted is promoted
    assert (verdict.evidence["wins"], verdict.evidence["losses"]) == (wins, losses)
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert verdict.evidence["p_value"] == pytest.approx(expected)
    right = challenger.count("1") / len(challenger)
    assert verdict.evidence["holdout_accuracy"]["value"] == right
    assert verdict.evidence["champion_accuracy"]["value"] == champion.count("1") / len(champion)
    assert f"{wins} holdout answers better, {losses} worse, of {len(champion)}" in verdict.reason
    assert verdict.reason.startswith("not worse" if promoted else "kept: worse")


def test_the_first_model_serves_whatever_it_is() -> None:
    verdict = judge(Measured(right=answers("0000")), None)
    assert verdict.promoted
    assert verdict.evidence["holdout_accuracy"]["value"] == 0


def test_without_holdout_answers_the_champion_stays() -> None:
    assert judge(Measured(right=answers("")), None).promoted
    verdict = judge(Measured(right=answers("")), Measured(right=answers("")))
    assert not verdict.promoted
    assert "no holdout task has a human answer yet" in verdict.reason
    assert verdict.evidence["holdout_accuracy"]["value"] is None
