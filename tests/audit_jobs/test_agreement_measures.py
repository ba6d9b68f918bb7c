"""Agreement: published figures, and other implementations."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from audit_jobs.measures.alpha import alpha_value, krippendorff_alpha, raw_agreement
from audit_jobs.measures.cohen import cohen_kappas, pair_agreement
from audit_jobs.measures.distances import (
    Level,
    TooManyCategoriesError,
    jaccard_distance,
    linear_weights,
    masi_distance,
    quadratic_weights,
)
from audit_jobs.measures.fleiss import agreement_by_label, fleiss_kappa
from audit_jobs.measures.gwet import gwet_ac1, gwet_ac2
from audit_jobs.measures.icc import intraclass_correlations
from audit_jobs.measures.patterns import patterns_of
from audit_jobs.measures.rater_pairs import confusion, rater_pairs
from audit_jobs.measures.raters import agreement_with_others
from audit_jobs.measures.ratings import Ratings, counts, ratings_of
from audit_jobs.votes import read_votes
from policies.domain import Estimate, FloatArray

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", sections B and C.
BINARY = ("0 1 0 0 0 0 0 0 0 0", "1 1 1 0 0 1 0 0 1 0")
FOUR_CODERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
# How often each label was given, a unit a row. Ten units by fourteen raters are the worked example
# that is quoted with kappa .210; thirty patients by six psychiatrists are that of Fleiss 1971.
FOURTEEN_RATERS = """
0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7
"""
PSYCHIATRISTS = """
0 0 0 6 0|0 3 0 0 3|0 1 4 0 1|0 0 0 0 6|0 3 0 3 0|2 0 4 0 0|0 0 4 0 2|2 0 3 1 0|2 0 0 4 0|0 0 0 0 6
1 0 0 5 0|1 1 0 4 0|0 3 3 0 0|1 0 0 5 0|0 2 0 3 1|0 0 5 0 1|3 0 0 1 2|5 1 0 0 0|0 2 0 4 0|1 0 2 0 3
0 0 0 0 6|0 1 0 5 0|0 2 0 1 3|2 0 0 4 0|1 0 0 4 1|0 5 0 1 0|4 0 0 0 2|0 2 0 4 0|1 0 5 0 0|0 0 0 0 6
"""
# Shrout and Fleiss 1979, table 2: 6 targets, 4 judges; the figures are those of their table 4.
TARGETS = ("9 6 8 7 10 6", "2 1 4 1 5 2", "5 3 6 2 6 4", "8 2 8 6 9 7")
JUDGED = {
    "icc_1_1": 0.17,
    "icc_2_1": 0.29,
    "icc_3_1": 0.71,
    "icc_1_k": 0.44,
    "icc_2_k": 0.62,
    "icc_3_k": 0.91,
}
UNDEFINED = (None, None, None)

tables = st.tuples(st.integers(2, 6), st.integers(1, 30)).flatmap(
    lambda size: st.lists(
        st.lists(st.sampled_from(["1", "2", "4", "7", None]), min_size=size[0], max_size=size[0]),
        min_size=size[1],
        max_size=size[1],
    )
)


def rated(coders: Sequence[str]) -> Ratings:
    """One text a coder, its labels in the order of the units, a dot where there is none."""
    votes = [
        (str(unit), str(coder), label)
        for coder, labels in enumerate(coders)
        for unit, label in enumerate(labels.split())
        if label != "."
    ]
    return ratings_of(*([vote[column] for vote in votes] for column in range(3)))


def of_table(units: Sequence[Sequence[str | None]]) -> Ratings:
    """One row a unit, one column a rater."""
    return rated(
        [" ".join(label or "." for label in column) for column in zip(*units, strict=True)]
    )


def bounds(found: Estimate) -> tuple[float | None, float | None, float | None]:
    return found.value, found.low, found.high


@pytest.mark.parametrize(
    ("level", "alpha"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_krippendorffs_four_coders(level: str, alpha: float) -> None:
    found = krippendorff_alpha(patterns_of(rated(FOUR_CODERS)), Level(level))
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.n == 11  # the twelfth unit has one rating
    assert found.low is not None
    assert found.high is not None
    assert found.low < alpha < found.high <= 1


def test_krippendorffs_two_coders() -> None:
    assert krippendorff_alpha(patterns_of(rated(BINARY))).value == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize(("table", "kappa"), [(FOURTEEN_RATERS, 0.210), (PSYCHIATRISTS, 0.430)])
def test_fleiss_kappa_of_published_tables(table: str, kappa: float) -> None:
    rows = [list(map(int, row.split())) for row in table.strip().replace("\n", "|").split("|")]
    units = [[str(label) for label, times in enumerate(row) for _ in range(times)] for row in rows]
    found = fleiss_kappa(patterns_of(of_table(units)))
    assert found.value == pytest.approx(kappa, abs=5e-4)
    assert found.value == pytest.approx(statsmodels_fleiss(np.array(rows)), abs=1e-12)
    assert found.n == len(rows)


def test_fleiss_leaves_units_of_one_rating_out_of_the_shares() -> None:
    assert fleiss_kappa(patterns_of(rated(FOUR_CODERS))).value == pytest.approx(0.76248, abs=5e-6)


def test_gwets_figures_are_those_of_his_package() -> None:
    patterns = patterns_of(rated(FOUR_CODERS))
    assert gwet_ac1(patterns).value == pytest.approx(0.77544, abs=5e-6)
    weights = quadratic_weights(patterns.categories)
    assert gwet_ac2(patterns, weights).value == pytest.approx(0.91400, abs=5e-6)
    plain = gwet_ac2(patterns, np.eye(5))
    assert plain.value == pytest.approx(gwet_ac1(patterns).value, abs=1e-12)


def test_shrout_and_fleiss_six_targets() -> None:
    found = intraclass_correlations(rated(TARGETS))
    assert {name: round(each.value or 0, 2) for name, each in found.items()} == JUDGED
    assert all(each.n == 6 for each in found.values())


def test_intraclass_correlations_of_missing_ratings() -> None:
    """One-way: all units of two; two-way: only units that all rated."""
    found = intraclass_correlations(rated(("9 6 8 7 10 6 3", *TARGETS[1:3], "8 2 8 6 9 7 .")))
    whole = intraclass_correlations(rated(TARGETS))
    assert found["icc_2_1"].value == pytest.approx(whole["icc_2_1"].value)
    assert found["icc_1_1"].value == pytest.approx(whole["icc_1_1"].value)
    assert found["icc_2_1"].n == 6
    nobody = intraclass_correlations(rated(("1 2 .", "2 . 3", ". 3 4")))
    assert bounds(nobody["icc_3_k"]) == UNDEFINED
    assert nobody["icc_1_1"].value == pytest.approx((2 - 0.5) / (2 + 0.5))  # mean squares by hand
    assert nobody["icc_1_1"].n == 3


@given(tables)
def test_alpha_is_that_of_the_krippendorff_package(units: list[list[str | None]]) -> None:
    patterns = patterns_of(of_table(units))
    pairable = [row for row in units if sum(said is not None for said in row) >= 2]
    given_labels = {said for row in pairable for said in row if said is not None}
    data = np.array([[np.nan if said is None else float(said) for said in row] for row in pairable])
    for level in Level:
        ours = krippendorff_alpha(patterns, level)
        assert alpha_value(patterns, level) == ours.value
        assert ours.n == len(pairable)
        if len(given_labels) < 2:
            assert bounds(ours) == UNDEFINED
        else:
            theirs = krippendorff.alpha(reliability_data=data.T, level_of_measurement=level.value)
            assert ours.value == pytest.approx(theirs, abs=1e-9)


@given(tables)
def test_figures_are_those_of_slow_definitions(units: list[list[str | None]]) -> None:
    ratings = of_table(units)
    patterns = patterns_of(ratings)
    rows = [[said for said in row if said is not None] for row in units]
    pairs = [(a, b) for row in rows for i, a in enumerate(row) for j, b in enumerate(row) if i != j]
    raw = raw_agreement(patterns)
    assert raw.value == (pytest.approx(np.mean([a == b for a, b in pairs])) if pairs else None)
    for label, found in agreement_by_label(patterns).items():
        others = [b == label for a, b in pairs if a == label]
        assert found.value == (pytest.approx(np.mean(others)) if others else None)
    for rater, found in zip(ratings.rater_names, agreement_with_others(ratings), strict=True):
        met = [
            row[int(rater)] == said
            for row in units
            for other, said in enumerate(row)
            if other != int(rater) and None not in (said, row[int(rater)])
        ]
        assert found.value == (pytest.approx(np.mean(met)) if met else None)
    several = patterns.of_several()
    np.testing.assert_array_equal(
        np.sort(np.repeat(several.counts.toarray(), several.frequency, axis=0), axis=0),
        np.sort(counts(ratings), axis=0),
    )


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=4, max_size=4), min_size=2, max_size=20))
def test_fleiss_kappa_is_that_of_statsmodels(units: list[list[str]]) -> None:
    labels = sorted({label for row in units for label in row})
    table = np.array([[row.count(label) for label in labels] for row in units])
    ours = fleiss_kappa(patterns_of(of_table(units))).value
    if len(labels) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(statsmodels_fleiss(table), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "weights"),
    [(None, None), ("linear", linear_weights), ("quadratic", quadratic_weights)],
)
def test_cohens_kappa_is_that_of_scikit_learn(
    name: str | None, weights: Callable[[Sequence[str]], FloatArray] | None
) -> None:
    random = np.random.default_rng(3)
    said = random.integers(1, 5, (6, 40))
    said[:, :10] = said[0, :10]
    there = random.random((6, 40)) < 0.7
    ratings = rated(
        [
            " ".join(str(label) if here else "." for label, here in zip(*row, strict=True))
            for row in zip(said, there, strict=True)
        ]
    )
    pairs = rater_pairs(ratings)
    table = None if weights is None else weights(ratings.categories)
    assert len(pairs) == 15
    for left, right, ours, share in zip(
        pairs.left,
        pairs.right,
        cohen_kappas(pairs, len(ratings.categories), table),
        pair_agreement(pairs),
        strict=True,
    ):
        both = there[left] & there[right]
        one, other = said[left][both], said[right][both]
        theirs = cohen_kappa_score(one, other, weights=name, labels=[1, 2, 3, 4])
        assert ours.value == pytest.approx(theirs, abs=1e-9)
        assert ours.n == share.n == both.sum()
        assert share.value == pytest.approx((one == other).mean())
        assert ours.low is not None
        assert ours.high is not None
        assert -1 <= ours.low < theirs < ours.high <= 1


def test_a_pair_of_one_label_has_no_kappa() -> None:
    found = cohen_kappas(rater_pairs(rated(("1 1 1", "1 1 1", "1 2 1"))), 2)
    assert bounds(found[0]) == UNDEFINED
    assert found[0].n == 3
    assert found[1].value == pytest.approx(0)


def test_a_kappa_of_full_agreement_is_not_certain() -> None:
    (found,) = cohen_kappas(rater_pairs(rated(("1 2 1 2", "1 2 1 2"))), 2)
    assert found.value == 1
    assert found.low is not None
    assert found.low < 0.2
    assert found.high == 1


def test_confusion_counts_each_pair_of_ratings_both_ways() -> None:
    ratings = rated(("a a b", "a b b", "b . ."))
    table = confusion(rater_pairs(ratings), 2)
    assert table.tolist() == [[2, 3], [3, 2]]


@pytest.mark.parametrize(
    ("name", "level", "alpha"),
    [
        ("rte", "nominal", 0.2415),
        ("bluebird", "nominal", 0.1255),
        ("face_sentiment", "nominal", 0.4949),
        ("wordsim", "interval", 0.6701),
        ("wordsim", "ordinal", 0.7008),
    ],
)
def test_alpha_of_real_votes(data_folder: Path, name: str, level: str, alpha: float) -> None:
    ratings = read_votes(data_folder / f"{name}_votes.csv.gz")
    found = krippendorff_alpha(patterns_of(ratings), Level(level))
    assert found.value == pytest.approx(alpha, abs=5e-5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < alpha < found.high


def test_agreement_of_real_preferences(data_folder: Path) -> None:
    """The PandaLM README gives the kappas of its three judges as .85, .88 and .86."""
    with gzip.open(data_folder / "pandalm_preferences.jsonl.gz", "rt", encoding="utf-8") as file:
        pairs: list[dict[str, Any]] = [json.loads(line) for line in file]
    votes = [
        (str(place), judge, choice)
        for place, pair in enumerate(pairs)
        for judge, choice in pair["judgments"].items()
    ]
    ratings = ratings_of(*([vote[column] for vote in votes] for column in range(3)))
    patterns = patterns_of(ratings)
    found = krippendorff_alpha(patterns)
    assert found.value == pytest.approx(0.8642, abs=5e-5)
    assert found.n == 999
    kappas = cohen_kappas(rater_pairs(ratings), len(ratings.categories))
    assert [each.value for each in kappas] == pytest.approx([0.8520, 0.8789, 0.8617], abs=5e-5)
    one = patterns.counts.max(axis=1).toarray() == 3
    assert patterns.frequency[one.ravel()].sum() == 879


SETS = tuple(map(frozenset[str], ("a", "ab", "bc", "abc", "d", "")))


def test_distances_of_sets() -> None:
    found = jaccard_distance(SETS)
    for row, one in enumerate(SETS):
        for column, other in enumerate(SETS):
            either = len(one | other)
            apart = 1 - len(one & other) / either if either else 0
            assert found[row, column] == pytest.approx(apart)
    masi = masi_distance(SETS)
    assert masi[0, 1] == pytest.approx(1 - 1 / 2 * 2 / 3)  # the one holds the other
    assert masi[1, 2] == pytest.approx(1 - 1 / 3 * 1 / 3)  # they overlap
    assert masi[0, 4] == 1
    np.testing.assert_allclose(np.diag(masi), 0, atol=1e-12)
    np.testing.assert_allclose(masi, masi.T)


def test_alpha_with_a_table_of_distances() -> None:
    """Krippendorff's disagreement, pair by pair as it is defined."""
    ratings = rated(("a ab bc d a", "a a abc d ab", ". ab abc a b"))
    sets = [frozenset(label) for label in ratings.categories]
    distance = masi_distance(sets)
    by_unit = [ratings.values[ratings.units == unit] for unit in range(5)]
    given_labels = np.concatenate(by_unit)
    seen = sum(
        distance[np.ix_(labels, labels)].sum() / (len(labels) - 1) for labels in by_unit
    ) / len(given_labels)
    chance = distance[np.ix_(given_labels, given_labels)].sum() / (
        len(given_labels) * (len(given_labels) - 1)
    )
    found = krippendorff_alpha(patterns_of(ratings), distance)
    assert found.value == pytest.approx(1 - seen / chance)
    nominal = krippendorff_alpha(patterns_of(ratings), 1 - np.eye(len(sets)))
    assert nominal.value == pytest.approx(krippendorff_alpha(patterns_of(ratings)).value)


@pytest.mark.parametrize(
    ("coders", "n"), [(("",), 0), (("1 2 3",), 0), (("1 .", ". 2"), 0), (("1 1", "1 1"), 2)]
)
def test_undefined_is_none(coders: Sequence[str], n: int) -> None:
    ratings = rated(coders)
    patterns = patterns_of(ratings)
    figures = [krippendorff_alpha(patterns, level) for level in Level]
    figures += [fleiss_kappa(patterns), gwet_ac1(patterns)]
    figures += [gwet_ac2(patterns, quadratic_weights(patterns.categories))]
    figures += intraclass_correlations(ratings).values()
    for found in figures:
        assert bounds(found) == UNDEFINED
    assert krippendorff_alpha(patterns).n == n


def test_raw_agreement_is_the_share_of_agreeing_pairs() -> None:
    found = raw_agreement(patterns_of(rated(("a b a", "a b .", "b . ."))))
    assert found.value == pytest.approx(2 / 4)  # of 3 + 1 pairs: one and one agree
    assert found.n == 2
    assert raw_agreement(patterns_of(rated(("a", "a")))).value == 1
    assert raw_agreement(patterns_of(rated(("a",)))).value is None


def test_the_first_of_repeated_ratings_counts() -> None:
    found = ratings_of(["1", "1", "1", "2"], ["a", "b", "a", "a"], ["x", "y", "z", "x"])
    assert found.dropped == 1
    assert found.categories == ("x", "y")
    assert found.values.tolist() == [0, 1, 0]
    assert found.units.tolist() == [0, 0, 1]


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 units, 1 raters, 2 values"):
        ratings_of(["1", "2"], ["a"], ["x", "y"])


def test_labels_are_told_apart_to_the_last_character() -> None:
    ratings = ratings_of(["1", "1", "2", "2"], list("abab"), ["a", "a ", "\u00e9", "e\u0301"])
    assert counts(ratings).shape == (2, 4)
    assert raw_agreement(patterns_of(ratings)).value == 0


def test_many_labels_and_long_units_are_the_same_patterns() -> None:
    """Numbers of 62 bits are too short for these units: their digits go in a few at a time."""
    random = np.random.default_rng(1)
    units = np.repeat(np.arange(60), 40)
    values = random.integers(0, 900, 40)[None, :].repeat(60, axis=0)
    values[::2, 7] = 901
    values[::3, 39] = 902
    shuffled = random.permuted(values, axis=1).ravel()
    ratings = ratings_of(
        [str(unit) for unit in units],
        [str(rater) for rater in range(40)] * 60,
        list(map(str, shuffled)),
    )
    patterns = patterns_of(ratings)
    assert sorted(patterns.frequency.tolist()) == [10, 10, 20, 20]
    assert patterns.sizes.tolist() == [40] * 4
    assert raw_agreement(patterns).value == pytest.approx(_slow_raw_agreement(ratings))


def _slow_raw_agreement(ratings: Ratings) -> float:
    table = counts(ratings)
    return float((table * (table - 1)).sum() / (len(table) * 40 * 39))


def test_too_many_labels_are_refused_in_words() -> None:
    unit_names = [str(place // 2) for place in range(50_000)]
    raters = ["a", "b"] * 25_000
    patterns = patterns_of(ratings_of(unit_names, raters, list(map(str, range(50_000)))))
    with pytest.raises(TooManyCategoriesError, match="50,000 different labels are too many"):
        krippendorff_alpha(patterns)
    with pytest.raises(TooManyCategoriesError, match="the ordinal level, which takes 200"):
        krippendorff_alpha(patterns, Level.ORDINAL)
    with pytest.raises(TooManyCategoriesError, match="the ratio level, which takes 2,000"):
        krippendorff_alpha(patterns, Level.RATIO)
    assert krippendorff_alpha(patterns, Level.INTERVAL).value == pytest.approx(1, abs=1e-6)


def test_levels_above_the_nominal_need_numbers() -> None:
    words = patterns_of(rated(("low high", "low low")))
    for level in (Level.ORDINAL, Level.INTERVAL, Level.RATIO):
        with pytest.raises(ValueError, match="'high' is no finite number"):
            krippendorff_alpha(words, level)
    with pytest.raises(ValueError, match="numbers from 0 up, not -1"):
        krippendorff_alpha(patterns_of(rated(("-1 2", "2 2"))), Level.RATIO)


def test_ratings_far_from_zero_keep_their_digits() -> None:
    near, far = (
        rated([" ".join(str(add + int(x)) for x in row.split()) for row in TARGETS])
        for add in (0, 10**9)
    )
    for level in (Level.ORDINAL, Level.INTERVAL):
        ours = krippendorff_alpha(patterns_of(far), level).value
        assert ours == pytest.approx(krippendorff_alpha(patterns_of(near), level).value, abs=1e-9)
    ours = intraclass_correlations(far)["icc_2_1"].value
    assert ours == pytest.approx(intraclass_correlations(near)["icc_2_1"].value, abs=1e-9)
