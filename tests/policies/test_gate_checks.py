"""What a new version must not be worse at: what blocks, what does not, and how often by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from policies.answer_texts import controls_text, set_text, spans_text
from policies.domain import BoolArray, FloatArray, ObjectArray
from policies.gate_checks import (
    Check,
    Measured,
    Reach,
    accepted_share,
    calibration,
    mentions,
    protected,
    safe_share,
)


def column(*texts: str | None) -> ObjectArray:
    made = np.empty(len(texts), dtype=np.object_)
    made[:] = texts
    return made


def saying(*texts: str | None) -> Measured:
    said = column(*texts)
    return Measured(right=np.zeros(len(said), np.bool_), said=said)


def judged(new: Sequence[str], old: Sequence[str], most_loss: float) -> Check:
    truth = column(*["rare"] * len(new), "other")
    return protected("rare", most_loss, truth, (saying(*new, "rare"), saying(*old, "rare")))


@pytest.mark.parametrize(
    ("text", "label", "named"),
    [
        ("Spam", "Spam", True),
        ("Spam filter", "Spam", False),
        (None, "Spam", False),
        ("Food / Fruit", "Food", True),
        ("Food", "Food / Fruit", False),
        (set_text(["joy", "anger"]), "joy", True),
        (set_text([]), "joy", False),
        (spans_text([(0, 4, "PER")]), "PER", True),
        (spans_text([(0, 4, "PER")]), "LOC", False),
        (controls_text({"mood": set_text(["joy"]), "lang": "en"}), "joy", True),
        (controls_text({"mood": None, "lang": "en"}), "en", True),
        ("[not json", "[not json", True),
        ("[not json", "json", False),
    ],
)
def test_whether_an_answer_names_a_label(text: str | None, label: str, *, named: bool) -> None:
    assert mentions(text, label) is named


def test_a_protected_label_may_lose_what_the_policy_allows_and_no_more() -> None:
    old = ["rare"] * 100
    assert judged(["x"] * 2 + ["rare"] * 98, [*old], 0.02).passed
    found = judged(["x"] * 3 + ["rare"] * 97, [*old], 0.02)
    assert not found.passed
    assert found.says == (
        "'rare': 3 of 100 holdout answers lost, 0 won; the policy allows to lose 2.0%"
    )
    assert (found.figures["lost"], found.figures["won"]) == (3, 0)


def test_what_is_won_makes_up_for_what_is_lost() -> None:
    assert judged(["x", "rare", "rare"], ["rare", "x", "rare"], 0.0).passed


def test_a_loss_that_could_not_have_been_seen_is_said() -> None:
    few = judged(["rare"] * 10, ["rare"] * 10, 0.02)
    assert few.passed
    assert "too few to tell whether it is within 2.0%; about 961 would" in few.says
    many = judged(["rare"] * 1_000, ["rare"] * 1_000, 0.02)
    assert many.passed
    assert many.says.endswith("within 2.0%")


def test_a_protected_label_that_nobody_named_blocks_nothing_and_is_said() -> None:
    truth = column("other")
    found = protected("rare", 0.0, truth, (saying("other"), saying("other")))
    assert found.passed
    assert found.says == "'rare': no holdout answer names it, so nothing can be told"


def scored(scores: FloatArray, right: BoolArray) -> Measured:
    return Measured(right=right, scores=scores)


def test_worse_scores_block_and_better_ones_do_not() -> None:
    right = np.random.default_rng(0).random(200) < 0.8
    honest, sure = scored(np.full(200, 0.8), right), scored(np.full(200, 0.99), right)
    worse = calibration((sure, honest))
    assert worse is not None
    assert not worse.passed
    assert worse.says.startswith("scores: worse beyond noise, squared error +0.0")
    assert worse.figures["calibration_error"] > worse.figures["champion_calibration_error"]
    better = calibration((honest, sure))
    assert better is not None
    assert better.passed


def test_scores_of_few_answers_block_nothing() -> None:
    right = np.zeros(19, np.bool_)
    found = calibration((scored(np.full(19, 0.99), right), scored(np.full(19, 0.1), right)))
    assert found is not None
    assert found.passed
    assert "too few to tell" in found.says


def test_answers_that_only_one_version_gave_are_not_compared() -> None:
    right = np.zeros(40, np.bool_)
    found = calibration((scored(np.full(40, np.nan), right), scored(np.full(40, 0.9), right)))
    assert found is not None
    assert found.passed
    assert found.says == "scores: no holdout task has an answer of both versions"
    assert calibration((Measured(right=right), Measured(right=right))) is None


def test_a_version_that_is_right_all_along_may_be_a_little_less_sure() -> None:
    right = np.ones(40, np.bool_)
    sure = scored(np.full(40, 0.99), right)
    little = calibration((scored(np.full(40, 0.94), right), sure))
    much = calibration((scored(np.full(40, 0.9), right), sure))
    assert little is not None
    assert much is not None
    assert (little.passed, much.passed) == (True, False)


def world(random: np.random.Generator, n: int, quality: float) -> Measured:
    """A version: its scores say in part how probably it is right."""
    hard = random.random(n)
    right = random.random(n) > hard * 0.3
    noise = random.normal(0, 1 - quality, n)
    scores = np.clip(1 - 0.3 * hard + 0.3 * noise, 0, 1)
    reach = Reach(scores=scores, wrong=~right, groups=np.zeros(n, np.int64), limits=(0.05,))
    return Measured(right=right, scores=scores, reach=reach)


def test_equally_good_versions_are_hardly_ever_kept_back_by_chance() -> None:
    """400 pairs on 200 tasks: calibration blocked 2 %, the share at a margin of 5 points 1 %."""
    random = np.random.default_rng(0)
    blocked = {"calibration": 0, "accepted share": 0}
    for _ in range(400):
        versions = world(random, 200, 0.9), world(random, 200, 0.9)
        for check in (calibration(versions), accepted_share(0.05, versions)):
            assert check is not None
            blocked[check.name] += not check.passed
    assert blocked["calibration"] / 400 <= 0.05
    assert blocked["accepted share"] / 400 <= 0.03


def test_a_version_whose_scores_rank_no_more_is_kept_back() -> None:
    random = np.random.default_rng(3)
    found = accepted_share(0.05, (world(random, 600, -2.0), world(random, 600, 1.0)))
    assert found is not None
    assert not found.passed
    assert "the policy allows to lose 5.0%" in found.says
    assert found.figures["share"] < found.figures["champion_share"]
    allowed = accepted_share(1.0, (world(random, 600, -2.0), world(random, 600, 1.0)))
    assert allowed is not None
    assert allowed.passed


def test_the_share_takes_equal_scores_together_and_each_promise_apart() -> None:
    reach = Reach(
        scores=np.array([0.9, 0.9, 0.8, 0.95, 0.7, 0.99]),
        wrong=np.array([False, True, False, False, True, False]),
        groups=np.array([0, 0, 0, 1, 1, -1]),
        limits=(0.4, 0.0),
    )
    # Of the first group all three (a third is wrong), of the second the surest one, else none.
    assert safe_share(reach, np.ones((1, 6))).tolist() == [pytest.approx(4 / 6)]


def test_the_share_of_few_answers_blocks_nothing() -> None:
    random = np.random.default_rng(0)
    found = accepted_share(0.0, (world(random, 19, 0.1), world(random, 19, 0.9)))
    assert found is not None
    assert found.passed
    assert "too few to tell" in found.says
    nothing = Measured(right=np.zeros(0, np.bool_))
    assert accepted_share(0.0, (nothing, nothing)) is None
