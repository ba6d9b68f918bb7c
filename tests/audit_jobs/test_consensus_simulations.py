"""What each way to a consensus promises, on simulated crowds whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from audit_jobs.consensus.crowdlab import crowdlab
from audit_jobs.measures.consensus import Consensus, majority, weighted
from audit_jobs.measures.dawid_skene import dawid_skene
from audit_jobs.measures.gold import accuracy, below, gold_of, gold_scores
from audit_jobs.measures.one_coin import one_coin
from audit_jobs.measures.ratings import Ratings, ratings_of
from policies.domain import FloatArray, IntArray

pytestmark = pytest.mark.simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Ratings whose truth is known, and how often each rater is right."""

    ratings: Ratings
    truth: IntArray  # by unit of the ratings
    skill: FloatArray  # by rater of the ratings

    def accuracy(self, consensus: Consensus) -> float:
        names = self.ratings.unit_names
        truth = {
            name: self.ratings.categories[code]
            for name, code in zip(names, self.truth, strict=True)
        }
        value = accuracy(consensus, gold_of(self.ratings, truth)).value
        assert value is not None
        return value


def crowd(seed: int, *, units: int, raters: int, answers: int, spammers: float) -> Crowd:
    """Four labels; raters are right 60 to 95 %, spammers guess or always say the same."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, units)
    skill = random.uniform(0.6, 0.95, raters)
    skill[: round(spammers * raters)] = 0.25
    rows = []
    for unit in range(units):
        for rater in random.choice(raters, answers, replace=False):
            label = truth[unit]
            if skill[rater] == 0.25:
                label = random.integers(0, 4) if rater % 2 else 0
            elif random.random() > skill[rater]:
                label = (label + random.integers(1, 4)) % 4
            rows.append((f"{unit:05}", f"{rater:03}", str(label)))
    items, names, labels = zip(*rows, strict=True)
    return Crowd(ratings=ratings_of(items, names, labels), truth=truth, skill=skill)


@pytest.fixture(scope="module")
def spammed() -> list[Crowd]:
    return [crowd(seed, units=800, raters=40, answers=5, spammers=0.3) for seed in range(5)]


def test_dawid_skene_beats_majority_where_there_are_spammers(spammed: list[Crowd]) -> None:
    gains = [
        each.accuracy(dawid_skene(each.ratings)) - each.accuracy(majority(each.ratings))
        for each in spammed
    ]
    assert min(gains) > 0.02


def test_every_weighing_method_beats_majority_where_there_are_spammers(
    spammed: list[Crowd],
) -> None:
    plain = np.mean([each.accuracy(majority(each.ratings)) for each in spammed])
    for method in (weighted, one_coin):
        assert np.mean([each.accuracy(method(each.ratings)) for each in spammed]) > plain + 0.02


def test_quality_follows_the_true_skill(spammed: list[Crowd]) -> None:
    for each in spammed:
        for method in (dawid_skene, one_coin, weighted, majority):
            quality = method(each.ratings).quality
            assert np.corrcoef(quality, each.skill)[0, 1] > 0.9
            assert quality[each.skill == 0.25].max() < quality[each.skill > 0.25].max()


def test_the_prior_helps_where_raters_gave_few_answers() -> None:
    """With some ten answers a rater a plain Dawid-Skene fits noise; majority is the yardstick."""
    crowds = [crowd(seed, units=600, raters=250, answers=5, spammers=0.2) for seed in range(4)]
    plain = [each.accuracy(dawid_skene(each.ratings, smoothing=0)) for each in crowds]
    with_prior = [each.accuracy(dawid_skene(each.ratings)) for each in crowds]
    by_majority = [each.accuracy(majority(each.ratings)) for each in crowds]
    assert np.mean(with_prior) > np.mean(plain)
    assert np.mean(with_prior) > np.mean(by_majority)


def test_one_coin_is_better_and_less_sure_of_itself_where_raters_gave_few_answers() -> None:
    """Where its model holds; in real votes on birds, of unequal labels, it fails by far."""
    crowds = [crowd(seed, units=600, raters=250, answers=5, spammers=0.2) for seed in range(4)]
    too_sure: dict[str, list[float]] = {}
    right: dict[str, list[float]] = {}
    for each in crowds:
        for found in (one_coin(each.ratings), dawid_skene(each.ratings)):
            accurate = each.accuracy(found)
            right.setdefault(found.method, []).append(accurate)
            too_sure.setdefault(found.method, []).append(found.confidence.mean() - accurate)
    assert np.mean(right["one-coin"]) > np.mean(right["dawid-skene"]) + 0.01
    assert 0 < np.mean(too_sure["one-coin"]) < 0.06 < np.mean(too_sure["dawid-skene"]) < 0.15


def test_confidence_ranks_the_labels(spammed: list[Crowd]) -> None:
    """The surer half is right more often than the other half, by every method."""
    for each in spammed:
        for method in (majority, weighted, one_coin, dawid_skene):
            found = method(each.ratings)
            right = found.labels == each.truth
            surer = np.argsort(-found.confidence, kind="stable")
            half = len(right) // 2
            assert right[surer[:half]].mean() > right[surer[half:]].mean()


def test_one_coin_probabilities_are_calibrated_where_its_model_holds() -> None:
    crowds = [crowd(seed, units=2_000, raters=20, answers=4, spammers=0.0) for seed in range(3)]
    found = [one_coin(each.ratings) for each in crowds]
    sure = np.concatenate([one.confidence for one in found])
    right = np.concatenate(
        [one.labels == each.truth for one, each in zip(found, crowds, strict=True)]
    )
    for low, high in ((0.4, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (sure >= low) & (sure < high)
        assert inside.sum() > 100
        assert right[inside].mean() == pytest.approx(sure[inside].mean(), abs=0.06)


def test_crowdlab_beats_majority_with_few_answers_and_a_fair_model() -> None:
    for seed in range(3):
        each = crowd(seed, units=600, raters=30, answers=2, spammers=0.2)
        random = np.random.default_rng(seed)
        guessed = np.where(random.random(600) < 0.85, each.truth, random.integers(0, 4, 600))
        probabilities = np.full((600, 4), 0.05) + 0.8 * np.eye(4)[guessed]
        found = crowdlab(each.ratings, probabilities)
        assert each.accuracy(found) > each.accuracy(majority(each.ratings)) + 0.05
        assert np.corrcoef(found.quality, each.skill)[0, 1] > 0.8


def test_hardly_anybody_at_the_minimum_is_barred_and_spammers_are() -> None:
    """Annotators exactly at the minimum: barred in at most one of forty, for every small n."""
    random = np.random.default_rng(1)
    for asked in (1, 2, 3, 5, 10, 40):
        units = [str(unit) for unit in range(asked)]
        annotators = 2_000
        right = random.random((annotators, asked)) < 0.8
        ratings = ratings_of(
            units * annotators,
            np.repeat([f"{one:04}" for one in range(annotators)], asked).tolist(),
            np.where(right, "yes", "no").ravel().tolist(),
        )
        scores = gold_scores(ratings, gold_of(ratings, dict.fromkeys(units, "yes")))
        barred = np.mean([below(score, 0.8) for score in scores])
        assert barred <= 0.025 + 3 * np.sqrt(0.025 / annotators)
    spam = gold_scores(
        made := ratings_of([str(n) for n in range(40)], ["s"] * 40, (["yes"] + ["no"] * 3) * 10),
        gold_of(made, {str(n): "yes" for n in range(40)}),
    )
    assert below(spam[0], 0.8)
