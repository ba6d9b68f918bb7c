"""What the measures of judges promise, on simulated judges whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from audit_jobs.measures.preferences.cycles import intransitivity
from audit_jobs.measures.preferences.judged import Judged
from audit_jobs.measures.preferences.lengths import length_bias
from audit_jobs.measures.preferences.position import PositionBias, position_bias
from audit_jobs.measures.preferences.verdicts import consensus_of, in_all_choices
from audit_jobs.measures.ratings import ratings_of
from policies.domain import Estimate
from tests.fakes.preference_judges import simulated

pytestmark = pytest.mark.simulation

PLANTED = 0.35  # log odds of the first place


def bias_of(data: Judged) -> PositionBias:
    found = position_bias(data)
    assert found is not None
    return found[0]


def holds(found: Estimate, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def share_found(biases: Sequence[PositionBias]) -> float:
    return float(np.mean([each.found for each in biases]))


def test_a_planted_effect_is_found_at_1000_pairs_and_none_where_there_is_none() -> None:
    """One judgement a pair: the plain binomial test."""
    there = [bias_of(simulated(seed, prompts=1_000, place=PLANTED)) for seed in range(100)]
    none = [bias_of(simulated(seed, prompts=1_000)) for seed in range(100, 500)]
    assert share_found(there) >= 0.95
    assert share_found(none) <= 0.06


def test_where_answers_differ_more_the_other_judges_make_the_test_stronger() -> None:
    """Log odds spread by 4: the plain share of three judges finds the effect less often."""
    designs = [
        bias_of(simulated(seed, prompts=1_000, judges=3, spread=4.0, place=PLANTED))
        for seed in range(40)
    ]
    plain = [each.first.low is not None and each.first.low > 0.5 for each in designs]
    assert share_found(designs) >= 0.98
    assert np.mean(plain) <= 0.95


def test_gold_makes_the_test_stronger() -> None:
    known = [
        bias_of(simulated(seed, prompts=1_000, spread=2.5, place=PLANTED, gold=True))
        for seed in range(100)
    ]
    plain = [
        bias_of(simulated(seed, prompts=1_000, spread=2.5, place=PLANTED)) for seed in range(100)
    ]
    assert share_found(known) > share_found(plain) + 0.05


@pytest.mark.parametrize("one_order", [False, True])
def test_the_level_holds_where_judges_of_a_question_agree(*, one_order: bool) -> None:
    """With one order a question, a count of judgements finds an effect two or three times in 20."""
    none = [
        bias_of(simulated(seed, prompts=300, judges=3, spread=2.0, one_order=one_order, ties=0.1))
        for seed in range(200)
    ]
    assert 0.02 <= share_found(none) <= 0.08
    counted = np.mean([not holds(each.first, 0.5) for each in none])
    assert (counted > 0.09) == one_order


def test_the_effect_is_that_of_a_question_however_far_questions_differ() -> None:
    for spread in (1.0, 3.0):
        found = [
            bias_of(simulated(seed, prompts=300, judges=3, spread=spread, place=PLANTED)).effect
            for seed in range(60)
        ]
        values = [each.value for each in found if each.value is not None]
        assert np.mean(values) == pytest.approx(PLANTED, abs=0.04)
        assert np.mean([holds(each, PLANTED) for each in found]) >= 0.88


def test_the_share_of_the_first_answer_is_that_of_evenly_drawn_orders() -> None:
    """Three in four questions show a first, and a is the better one: a plain share is too high."""
    held, plain = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        data = simulated(seed, prompts=400, spread=1.0)
        first = np.where(random.random(400) < 0.75, 1, -1)
        odds = 0.8 + random.normal(0, 1, 400)
        choice = np.where(random.random(400) < expit(odds + 0.2 * first), 1, -1)
        odds = 0.8 + random.normal(0, 1, 100_000)
        truth = float((expit(0.2 + odds) + expit(0.2 - odds)).mean() / 2)
        found = bias_of(replace(data, first=first, choice=choice))
        held.append(holds(found.share, truth))
        plain.append(holds(found.first, truth))
    assert np.mean(held) >= 0.88
    assert np.mean(plain) < 0.6


def test_a_doubling_of_length_is_measured_with_an_honest_interval() -> None:
    there = [
        length_bias(simulated(seed, prompts=100, answers=3, judges=2, spread=0.01, length=0.5))
        for seed in range(150)
    ]
    none = [
        length_bias(simulated(seed, prompts=100, answers=3, judges=2, spread=1.5))
        for seed in range(150)
    ]
    assert np.mean([each is not None and holds(each.per_doubling, 0.5) for each in there]) >= 0.9
    assert np.mean([each is not None and each.found for each in none]) <= 0.09


def ringed(seed: int, share: float) -> Judged:
    """Judges with an order, but for a share of the prompts, whose three answers beat in a ring."""
    data = simulated(seed, prompts=100, answers=3, judges=3, spread=3.0)
    random = np.random.default_rng(seed)
    within = data.answers % 3
    ring = np.where((within[:, 1] - within[:, 0]) % 3 == 1, 1, -1)
    odds = 2.0 * ring[data.question]
    chosen = np.where(random.random(len(data)) < expit(odds), 1, -1)
    of_ring = (data.prompt < 100 * share)[data.question]
    return replace(data, choice=np.where(of_ring, chosen, data.choice))


def test_rings_are_told_from_judges_who_waver(monkeypatch: pytest.MonkeyPatch) -> None:
    """One prompt in five: less than guessing makes, and more than wavering does."""
    monkeypatch.setattr("audit_jobs.measures.preferences.cycles._DRAWS", 400)
    there = [intransitivity(ringed(seed, 0.2)) for seed in range(25)]
    none = [intransitivity(ringed(seed, 0.0)) for seed in range(40)]
    beyond = [each.p_beyond_noise for each in there if each and each.p_beyond_noise is not None]
    assert len(beyond) == 25
    assert np.mean(np.array(beyond) < 0.05) >= 0.95
    assert all(each is not None and each.p_value > 0.05 for each in there)
    wavering = [each.p_beyond_noise for each in none if each and each.p_beyond_noise is not None]
    assert np.mean(np.array(wavering) < 0.05) <= 0.07
    assert all(each is not None and each.p_fewer < 0.01 for each in none)


def test_guessing_judges_follow_neither_an_order_nor_a_ring() -> None:
    """Four answers a prompt: triples share pairs, and directions are drawn."""
    found = [
        intransitivity(simulated(seed, prompts=40, answers=4, spread=0.0)) for seed in range(80)
    ]
    assert np.mean([each is not None and each.p_value < 0.05 for each in found]) <= 0.1
    assert np.mean([each is not None and each.p_fewer < 0.05 for each in found]) <= 0.1
    assert np.mean([each is not None and holds(each.cyclic, 0.25) for each in found]) >= 0.88


def test_the_confidence_of_a_verdict_is_nearly_how_often_it_is_right() -> None:
    """Judges of unequal skill who err more the closer two answers are, and tie (Davidson)."""
    skills = np.array([2.0, 2.0, 1.0, 1.0, 0.5, 0.0])
    apart = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        worth = random.normal(0, 2, 600)
        rows = []
        for question, odds in enumerate(worth.tolist()):
            for judge in random.choice(6, 3, replace=False).tolist():
                half = skills[judge] * odds / 2
                weights = np.array([np.exp(half), np.exp(-half), 0.3])
                choice = random.choice(["a", "b", "tie"], p=weights / weights.sum())
                rows.append((str(question), str(judge), str(choice)))
        units, judges, said = zip(*rows, strict=True)
        ratings = in_all_choices(ratings_of(units, judges, said))
        found = consensus_of(ratings)
        decided = found.labels < 2
        truth = np.where(worth > 0, 0, 1)[np.array(ratings.unit_names, np.int64)]
        right = (found.labels == truth)[decided].mean()
        apart.append(found.confidence[decided].mean() - right)
        assert found.quality[:2].min() > found.quality[4:].max()
    assert abs(np.mean(apart)) < 0.05


def test_four_questions_prove_nothing_where_neither_place_nor_length_counts() -> None:
    judgments = [simulated(seed, prompts=4, judges=3) for seed in range(60)]
    lengths = [length_bias(each) for each in judgments]
    assert np.mean([each is not None and each.found for each in lengths]) <= 0.05
    assert np.mean([holds(bias_of(each).effect, 0.0) for each in judgments]) >= 0.92
