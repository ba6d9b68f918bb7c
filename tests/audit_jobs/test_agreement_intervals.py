"""Intervals of agreement: they cover as often as they say, and are honest where units are few."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from audit_jobs.measures import bootstrap
from audit_jobs.measures.alpha import krippendorff_alpha, raw_agreement
from audit_jobs.measures.cohen import cohen_kappas, pair_agreement
from audit_jobs.measures.distances import Level
from audit_jobs.measures.fleiss import fleiss_kappa
from audit_jobs.measures.gwet import gwet_ac1
from audit_jobs.measures.icc import intraclass_correlations
from audit_jobs.measures.patterns import Patterns, patterns_of
from audit_jobs.measures.rater_pairs import rater_pairs
from audit_jobs.measures.raters import agreement_with_others
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, IntArray

REPEATS = 500
Figure = Callable[[Ratings], Estimate]


def rated(said: IntArray, there: IntArray | None = None) -> Ratings:
    """Raters down, units across, labels as codes; ``there`` is 0 where a rating is missing."""
    raters, units = said.shape
    kept = np.flatnonzero(np.ones(said.size) if there is None else there.ravel())
    return Ratings(
        units=np.tile(np.arange(units), raters)[kept],
        raters=np.repeat(np.arange(raters), units)[kept],
        values=said.ravel()[kept],
        unit_names=tuple(map(str, range(units))),
        rater_names=tuple(map(str, range(raters))),
        categories=tuple(map(str, range(int(said.max()) + 1))),
        dropped=0,
    )


def world(
    random: np.random.Generator, units: int, shares: Sequence[float], right: float
) -> Ratings:
    """Three raters, each right with the same chance and else wrong at random; a fifth missing."""
    labels = len(shares)
    truth = random.choice(labels, units, p=shares)
    wrong = (truth + random.integers(1, labels, (3, units))) % labels
    said = np.where(random.random((3, units)) < right, truth, wrong)
    return rated(said, (random.random((3, units)) < 0.8).astype(np.int64))


def covers(found: Estimate, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def of_patterns(figure: Callable[[Patterns], Estimate]) -> Figure:
    return lambda ratings: figure(patterns_of(ratings))


def ordinal(patterns: Patterns) -> Estimate:
    return krippendorff_alpha(patterns, Level.ORDINAL)


def first_kappa(ratings: Ratings) -> Estimate:
    return cohen_kappas(rater_pairs(ratings), len(ratings.categories))[0]


FIGURES: dict[str, Figure] = {
    "raw": of_patterns(raw_agreement),
    "alpha": of_patterns(krippendorff_alpha),
    "ordinal alpha": of_patterns(ordinal),
    "fleiss": of_patterns(fleiss_kappa),
    "gwet": of_patterns(gwet_ac1),
    "cohen": first_kappa,
    "one rater": lambda ratings: agreement_with_others(ratings)[0],
}


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("shares", "right", "units"),
    [((0.4, 0.3, 0.2, 0.1), 0.75, 80), ((0.85, 0.15), 0.9, 150)],
    ids=["four labels, 80 units", "skewed, 150 units"],
)
def test_intervals_cover_as_often_as_they_say(
    shares: Sequence[float], right: float, units: int
) -> None:
    random = np.random.default_rng(11)
    whole = world(random, 300_000, shares, right)
    truth = {name: figure(whole).value or 0.0 for name, figure in FIGURES.items()}
    covered = dict.fromkeys(FIGURES, 0)
    for _ in range(REPEATS):
        drawn = world(random, units, shares, right)
        for name, figure in FIGURES.items():
            covered[name] += covers(figure(drawn), truth[name])
    rates = {name: times / REPEATS for name, times in covered.items()}
    assert all(0.93 <= rate <= 0.97 for rate in rates.values()), rates


@pytest.mark.simulation
def test_intraclass_correlations_cover_their_known_values() -> None:
    """Units of variance 4, raters who differ by one each, noise of variance 1 in twentieths."""
    random = np.random.default_rng(2)
    truth = {"icc_1_1": 4 - 1 / 3, "icc_3_1": 4.0}  # between, less what raters take from it
    spread = {"icc_1_1": 4 + 2 / 3 + 1, "icc_3_1": 4.0 + 1}
    covered = dict.fromkeys(truth, 0)
    for _ in range(REPEATS):
        level = random.normal(0, 2, 150) + np.array([[0], [1], [2]])
        said = np.round(20 * (level + random.normal(0, 1, (3, 150)))).astype(np.int64)
        found = intraclass_correlations(rated(said - said.min()))
        for name, above in truth.items():
            covered[name] += covers(found[name], above / spread[name])
    # 0.94 in 2,000 repeats, as bootstraps of variances run a little short; 500 are 0.01 exact.
    assert all(0.92 <= times / REPEATS <= 0.97 for times in covered.values()), covered


@pytest.mark.simulation
def test_alpha_of_two_coders_covers_its_known_value() -> None:
    """Two coders right with 0.85 each on two labels: expected alpha is (2 * 0.85 - 1) ** 2."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(REPEATS):
        truth = random.integers(0, 2, 200)
        said = np.where(random.random((2, 200)) < 0.85, truth, 1 - truth)
        covered += covers(krippendorff_alpha(patterns_of(rated(said))), 0.7**2)
    assert 0.93 <= covered / REPEATS <= 0.97


@pytest.mark.parametrize("name", ["raw", "alpha", "ordinal alpha", "fleiss", "gwet", "cohen"])
def test_full_agreement_on_few_units_is_not_certain(name: str) -> None:
    few, many = (FIGURES[name](rated(np.tile([[0, 1]], (2, half)))) for half in (3, 300))
    assert few.value == many.value == 1
    assert few.high == many.high == 1
    assert few.low is not None
    assert many.low is not None
    assert few.low < 0.65
    assert 0.98 < many.low < 1


def test_full_disagreement_on_few_units_is_not_certain() -> None:
    found = raw_agreement(patterns_of(rated(np.array([[0, 1, 0], [1, 0, 1]]))))
    assert found.value == found.low == 0
    assert found.high is not None
    assert found.high > 0.3


def test_the_same_ratings_and_seed_give_the_same_interval() -> None:
    ratings = world(np.random.default_rng(1), 60, (0.5, 0.5), 0.8)
    patterns = patterns_of(ratings)
    assert krippendorff_alpha(patterns) == krippendorff_alpha(patterns)
    other = patterns_of(rated(np.zeros((2, 3), dtype=np.int64)))
    assert krippendorff_alpha(other).value is None
    assert krippendorff_alpha(patterns, seed=1).low != krippendorff_alpha(patterns, seed=2).low


def test_blocks_of_many_different_units_give_nearly_the_same_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(5)
    level = random.normal(0, 1, 8_000)
    said = np.round(level + random.normal(0, 1, (3, 8_000)), 1)
    labels, codes = np.unique(said, return_inverse=True)
    ratings = rated(codes.reshape(said.shape))
    numbered = Ratings(
        units=ratings.units,
        raters=ratings.raters,
        values=ratings.values,
        unit_names=ratings.unit_names,
        rater_names=ratings.rater_names,
        categories=tuple(map(str, labels.tolist())),
        dropped=0,
    )
    patterns = patterns_of(numbered)
    assert len(patterns.frequency) > 6_000
    single = krippendorff_alpha(patterns, Level.INTERVAL)
    monkeypatch.setattr(bootstrap, "_MOST_GROUPS", 2_000)
    in_blocks = krippendorff_alpha(patterns, Level.INTERVAL)
    assert in_blocks.value == single.value
    assert in_blocks != single
    for one, other in ((in_blocks.low, single.low), (in_blocks.high, single.high)):
        assert one == pytest.approx(other, abs=0.15 * 2 * 0.0075)
    assert single.high is not None
    assert single.low is not None
    assert 0.01 < single.high - single.low < 0.05


def test_shares_of_a_pair_have_wilsons_interval() -> None:
    (found,) = pair_agreement(rater_pairs(rated(np.array([[0, 1, 0, 1], [0, 1, 0, 1]]))))
    assert found.value == found.high == 1
    assert found.low == pytest.approx(4 / (4 + 1.96**2), abs=1e-4)
