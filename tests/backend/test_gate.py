"""The gate: a table of wins and losses, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from backend.gate import Bars, judge
from policies.domain import BoolArray, FloatArray, ObjectArray
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


def version(right: BoolArray, scores: FloatArray, said: ObjectArray) -> Measured:
    return Measured(right=right, scores=scores, said=said)


def labels(*texts: str) -> ObjectArray:
    made = np.empty(len(texts), dtype=np.object_)
    made[:] = texts
    return made


def test_a_better_version_that_loses_a_protected_label_is_kept() -> None:
    truth = labels(*["rare"] * 10, *["often"] * 90)
    new, old = truth.copy(), truth.copy()
    new[:2], old[20:60] = "often", "rare"
    found = judge(
        Measured(right=new == truth, said=new),
        Measured(right=old == truth, said=old),
        Bars(truth=truth, protected={"rare": 0.1}),
    )
    assert not found.promoted
    assert found.reason == (
        "kept: 'rare': 2 of 10 holdout answers lost, 0 won; the policy allows to lose 10.0%; "
        "accuracy is not worse: 40 holdout answers better, 2 worse, of 100"
    )
    (check,) = found.evidence["checks"]
    assert (check["check"], check["label"], check["passed"]) == ("protected label", "rare", False)
    gain = found.evidence["difference"]
    assert gain["value"] == pytest.approx(0.38)
    assert 0.2 < gain["low"] < 0.38 < gain["high"] < 0.5
    allowed = judge(
        Measured(right=new == truth, said=new),
        Measured(right=old == truth, said=old),
        Bars(truth=truth, protected={"rare": 0.2}),
    )
    assert allowed.promoted


def test_everything_that_speaks_against_it_is_said() -> None:
    truth = labels(*["A"] * 600)
    right = np.arange(600) % 5 != 0
    worse = np.arange(600) % 4 != 0
    said = np.where(right, "A", "B").astype(np.object_)
    said_worse = np.where(worse, "A", "B").astype(np.object_)
    found = judge(
        version(worse, np.full(600, 1.0), said_worse),
        version(right, np.full(600, 0.8), said),
        Bars(truth=truth, protected={"A": 0.0}),
    )
    assert not found.promoted
    assert found.reason.startswith("kept: worse than the champion: 90 holdout answers better, 120")
    assert "'A': 120 of 600 holdout answers lost" in found.reason
    assert "scores: worse beyond noise" in found.reason


def test_protecting_labels_takes_what_was_said() -> None:
    right = np.ones(3, np.bool_)
    with pytest.raises(ValueError, match="compared by what was said"):
        judge(
            Measured(right=right),
            Measured(right=right),
            Bars(truth=labels("A", "A", "A"), protected={"A": 0.0}),
        )
