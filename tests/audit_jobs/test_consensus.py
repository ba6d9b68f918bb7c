"""Consensus by majority, weights, one coin and Dawid-Skene: ties, the others, strange input."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.consensus import Consensus, ConsensusError, majority, weighted
from audit_jobs.measures.dawid_skene import (
    LARGEST,
    MOST_ITERATIONS,
    STILL,
    dawid_skene,
    fit,
)
from audit_jobs.measures.gold import accuracy, gold_of
from audit_jobs.measures.one_coin import one_coin
from audit_jobs.measures.ratings import Ratings, ratings_of
from audit_jobs.measures.tally import label_of_the_others, scored, tally_of
from audit_jobs.votes import read_votes
from policies.domain import FloatArray

METHODS = [majority, weighted, one_coin, dawid_skene]
Method = Callable[[Ratings], Consensus]


def made(*rows: str) -> Ratings:
    """Ratings from rows of "unit rater label"."""
    units, raters, labels = zip(*(row.split() for row in rows), strict=True)
    return ratings_of(units, raters, labels)


@st.composite
def some_ratings(draw: st.DrawFn) -> Ratings:
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from("12345"), st.sampled_from("abcd"), st.sampled_from("xyz")),
            min_size=1,
            max_size=20,
        )
    )
    units, raters, labels = zip(*rows, strict=True)
    return ratings_of(units, raters, labels)


def the_others(ratings: Ratings, place: int) -> int:
    """The label that most of the others gave this unit; -1 where none or several lead."""
    rest = [
        int(value)
        for other, (unit, value) in enumerate(zip(ratings.units, ratings.values, strict=True))
        if unit == ratings.units[place] and other != place
    ]
    tops = {value for value in rest if rest.count(value) == max(map(rest.count, rest))}
    return tops.pop() if len(tops) == 1 else -1


@given(some_ratings())
def test_the_others_are_everybody_else_and_never_the_rater_himself(ratings: Ratings) -> None:
    expected = [the_others(ratings, place) for place in range(len(ratings))]
    assert majority(ratings).others.tolist() == expected


@given(some_ratings(), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_the_others_weigh_as_much_as_they_are_given(
    ratings: Ratings, weights_given: list[float]
) -> None:
    """Negative weights too: who is nearly always wrong speaks against his label."""
    weights = np.round(np.array(weights_given[: len(ratings.rater_names)]), 3)
    tally = tally_of(ratings)
    found = label_of_the_others(tally, ratings, scored(tally, ratings, weights), weights)
    for place in range(len(ratings)):
        behind: dict[int, float] = {}
        for other in np.flatnonzero(ratings.units == ratings.units[place]).tolist():
            if other != place:
                value = int(ratings.values[other])
                behind[value] = behind.get(value, 0.0) + weights[ratings.raters[other]]
        best = max(behind.values(), default=0.0)
        tops = [value for value, weight in behind.items() if weight > best - 1e-9]
        assert found[place] == (tops[0] if len(tops) == 1 else -1)


def crowd(seed: int) -> Ratings:
    """Forty units, seven raters of unequal skill, three labels, a third of the ratings missing.

    Not every set of ratings will do for iterations: where two labels are exactly alike, the last
    digits decide which way they go.
    """
    random = np.random.default_rng(seed)
    rows = [
        f"{unit} {rater} {truth if random.random() < 0.6 + 0.05 * rater else random.integers(0, 3)}"
        for unit, truth in enumerate(random.integers(0, 3, 40))
        for rater in range(7)
        if random.random() < 0.66
    ]
    return made(*rows)


@pytest.mark.parametrize("seed", range(5))
def test_dawid_skene_is_the_textbooks(seed: int) -> None:
    ratings = crowd(seed)
    found = fit(ratings, smoothing=0.5)
    chances, prior, confusions = textbook(ratings, smoothing=0.5)
    assert found.chances == pytest.approx(chances, abs=1e-4)
    assert found.prior == pytest.approx(prior, abs=1e-4)
    assert found.confusions == pytest.approx(confusions, abs=1e-4)


@given(some_ratings())
def test_dawid_skene_leaves_each_rating_out_of_what_the_others_say(ratings: Ratings) -> None:
    found, others = fit(ratings), dawid_skene(ratings).others
    for place in range(len(ratings)):
        rest = np.flatnonzero(ratings.units == ratings.units[place])
        rest = rest[rest != place]
        chances = found.prior.copy()
        for other in rest:
            chances *= found.confusions[ratings.raters[other], ratings.values[other]]
        best = np.sort(chances)[::-1]
        if len(rest) == 0:
            assert others[place] == -1
        elif len(best) == 1 or best[1] < 0.999 * best[0]:
            assert others[place] == chances.argmax()


def textbook(ratings: Ratings, smoothing: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Dawid and Skene 1979, loop by loop, with the same prior and end."""
    units, raters, labels = (
        range(len(names)) for names in (ratings.unit_names, ratings.rater_names, ratings.categories)
    )
    rows = list(zip(ratings.units, ratings.raters, ratings.values, strict=True))
    chances: FloatArray = np.zeros((len(units), len(labels)))
    for unit, _, said in rows:
        chances[unit, said] += 1
    chances /= chances.sum(axis=1, keepdims=True)
    confusions = np.zeros((len(raters), len(labels), len(labels)))
    for _ in range(MOST_ITERATIONS):
        prior = chances.sum(axis=0) + smoothing
        prior /= prior.sum()
        answers = np.zeros((len(raters), len(labels), len(labels)))
        for unit, rater, said in rows:
            answers[rater, said] += chances[unit]
        for true in labels:
            everybody = answers[:, :, true].sum(axis=0) + 1 / len(labels)
            everybody /= everybody.sum()
            for rater in raters:
                row = answers[rater, :, true] + smoothing * everybody
                confusions[rater, :, true] = row / row.sum()
        now = np.tile(prior, (len(units), 1))
        for unit, rater, said in rows:
            now[unit] *= confusions[rater, said]
        now /= now.sum(axis=1, keepdims=True)
        moved = np.abs(now - chances).sum() / len(units)
        chances = now
        if moved < STILL:
            break
    return chances, prior, confusions


@given(some_ratings())
def test_majority_is_the_label_most_often_given_and_its_share(ratings: Ratings) -> None:
    found = majority(ratings)
    for unit in range(len(ratings.unit_names)):
        given_labels = ratings.values[ratings.units == unit].tolist()
        most = max(map(given_labels.count, given_labels))
        tops = {label for label in given_labels if given_labels.count(label) == most}
        assert set(found.leading_labels[found.leading_units == unit].tolist()) == tops
        assert found.labels[unit] == min(tops)
        assert found.confidence[unit] == pytest.approx(most / len(given_labels))
        assert (unit in found.tied) == (len(tops) > 1)


@pytest.mark.parametrize("method", METHODS)
@given(ratings=some_ratings())
def test_every_method_gives_each_unit_a_label_and_a_share(method: Method, ratings: Ratings) -> None:
    found = method(ratings)
    assert (found.labels >= 0).all()
    sure = found.confidence[~np.isnan(found.confidence)]
    assert ((sure > 0) & (sure <= 1 + 1e-9)).all()
    quality = found.quality[~np.isnan(found.quality)]
    assert ((quality >= 0) & (quality <= 1 + 1e-9)).all()


@pytest.mark.parametrize("method", METHODS)
def test_no_ratings_make_no_consensus(method: Method) -> None:
    found = method(ratings_of([], [], []))
    assert len(found.labels) == len(found.confidence) == len(found.quality) == 0


@pytest.mark.parametrize("method", METHODS)
def test_one_label_only_is_the_consensus_everywhere(method: Method) -> None:
    found = method(made("1 a yes", "1 b yes", "2 a yes", "2 b yes"))
    assert found.labels.tolist() == [0, 0]
    assert found.confidence.tolist() == pytest.approx([1, 1])
    assert found.others.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_one_rater_alone_has_no_quality(method: Method) -> None:
    found = method(made("1 a yes", "2 a no"))
    assert found.labels.tolist() == [1, 0]
    assert np.isnan(found.quality).all()
    assert found.others.tolist() == [-1, -1]


@pytest.mark.parametrize("method", [one_coin, dawid_skene])
def test_where_nobody_shares_a_unit_no_model_pretends_to_be_sure(method: Method) -> None:
    assert np.isnan(method(made("1 a yes", "2 b no")).confidence).all()


def test_a_rater_who_shares_no_unit_has_no_quality_beside_others_who_do() -> None:
    ratings = made("1 a yes", "1 b yes", "2 a no", "2 b no", "3 c yes")
    for method in METHODS:
        assert np.isnan(method(ratings).quality).tolist() == [False, False, True]


def test_weights_break_the_tie_that_majority_leaves() -> None:
    agreed = [f"{unit} {rater} yes" for unit in range(9) for rater in "ab"]
    alone = [f"{unit} c no" for unit in range(9)]
    ratings = made(*agreed, *alone, "tie a yes", "tie c no")
    tie = ratings.unit_names.index("tie")
    assert majority(ratings).tied.tolist() == [tie]
    found = weighted(ratings)
    assert found.tied.tolist() == []
    assert ratings.categories[found.labels[tie]] == "yes"
    assert found.confidence[tie] > 0.5


def test_dawid_skene_gives_a_label_that_nobody_gave() -> None:
    """Two who always swap no and yes, against three who do not, where the two are alone."""
    truth = ["no", "yes"] * 20
    swapped = {"no": "yes", "yes": "no"}
    rows = [
        f"{unit} {rater} {swapped[label] if rater in 'de' else label}"
        for unit, label in enumerate(truth)
        for rater in "abcde"
    ]
    ratings = made(*rows, "new d yes", "new e yes")
    new = ratings.unit_names.index("new")
    assert ratings.categories[dawid_skene(ratings).labels[new]] == "no"
    assert ratings.categories[majority(ratings).labels[new]] == "yes"


def test_smoothing_keeps_few_answers_from_looking_perfect() -> None:
    rows = [f"{unit} {rater} {unit % 2}" for unit in range(20) for rater in "abc"]
    ratings = made(*rows, "0 new 0")
    row = ratings.rater_names.index("new")
    sure = fit(ratings, smoothing=0).confusions[row, 0, 0]
    unsure = fit(ratings, smoothing=0.5).confusions[row, 0, 0]
    assert sure == pytest.approx(1)
    assert unsure < sure


def test_too_many_labels_for_dawid_skene_are_refused_with_a_way_out() -> None:
    many = int(LARGEST**0.5) + 1
    names = [str(number) for number in range(many)]
    with pytest.raises(ConsensusError, match="take one-coin or majority"):
        dawid_skene(ratings_of(names, ["a"] * many, names))


@pytest.mark.parametrize("method", [majority, weighted, one_coin])
def test_a_huge_label_set_is_no_hurdle_for_the_others(method: Method) -> None:
    many = 20_000
    units = [str(number) for number in range(many)] * 2
    ratings = ratings_of(units, ["a"] * many + ["b"] * many, units)
    assert (method(ratings).labels == ratings.values[:many]).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_rows_changes_nothing(method: Method, seed: int) -> None:
    ratings = crowd(seed)
    order = np.random.default_rng(seed).permutation(len(ratings))
    columns = [
        [names[code] for code in codes[order]]
        for names, codes in (
            (ratings.unit_names, ratings.units),
            (ratings.rater_names, ratings.raters),
            (ratings.categories, ratings.values),
        )
    ]
    again = ratings_of(*columns)
    one = dict(zip(ratings.unit_names, method(ratings).confidence, strict=True))
    other = dict(zip(again.unit_names, method(again).confidence, strict=True))
    assert other == pytest.approx(one, nan_ok=True, abs=1e-6)


@pytest.mark.parametrize(
    ("votes", "gold_file", "published"),
    [
        ("rte", "rte_items", 0.9275),
        ("bluebird", "bluebird_gold", 0.8981),
        ("face_sentiment", "face_sentiment_gold", 0.6404),
    ],
)
def test_without_a_prior_dawid_skene_gives_the_published_figures_exactly(
    data_folder: Path, votes: str, gold_file: str, published: float
) -> None:
    ratings = read_votes(data_folder / f"{votes}_votes.csv.gz")
    with gzip.open(data_folder / f"{gold_file}.csv.gz", "rt", encoding="utf-8") as file:
        labels = {row["item"]: row["gold"] for row in csv.DictReader(file)}
    found = accuracy(dawid_skene(ratings, smoothing=0), gold_of(ratings, labels))
    assert found.value == pytest.approx(published, abs=0.00005)
