"""Every kind of control: figures by hand, and a name for what has no measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from audit_jobs.agreement.controls import ControlAgreement, control_agreement
from audit_jobs.measures.distances import Level
from audit_jobs.measures.rankings import kendall_tau, same_column
from audit_jobs.measures.texts import edit_similarity, word_error_rate
from connectors.answers import (
    Answer,
    Attribute,
    Box,
    Control,
    Kind,
    Ranking,
    Region,
    Relation,
    Span,
)


def agreement(
    kind: Kind, *tasks: Sequence[Any], per_region: bool = False, level: Level = Level.NOMINAL
) -> ControlAgreement:
    """Of tasks with the answers of annotators 0, 1, ...; None where one gave none."""
    answers = tuple(
        Answer(task=task, annotator=annotator, value=value)
        for task, values in enumerate(tasks)
        for annotator, value in enumerate(values)
        if value is not None
    )
    control = Control(
        name="c", type=kind.value, kind=kind, per_region=per_region, answers=answers, texts={}
    )
    return control_agreement(control, level)


def values(found: ControlAgreement) -> dict[str, float | None]:
    return {name: estimate.value for name, estimate in found.measures.items()}


def test_single_choices() -> None:
    # Krippendorff 2011, section B: two coders, binary, .095.
    coders = zip("0100000000", "1110010010", strict=True)
    found = agreement(Kind.CHOICES, *([(one,), (other,)] for one, other in coders))
    figures = values(found)
    assert figures["raw_agreement"] == pytest.approx(0.6)
    assert figures["krippendorff_alpha"] == pytest.approx(0.095, abs=5e-4)
    assert set(figures) == {"raw_agreement", "krippendorff_alpha", "fleiss_kappa", "gwet_ac1"}
    assert found.measures["krippendorff_alpha"].n == 10
    assert [pair.annotators for pair in found.pairs] == [(0, 1)]


def test_sets_of_choices_are_alike_in_part() -> None:
    found = values(
        agreement(Kind.CHOICES, [("a", "b"), ("b",)], [("c",), ("c",)], [("a", "b"), ("a", "b")])
    )
    assert found["raw_agreement"] == pytest.approx(2 / 3)
    assert found["mean_jaccard"] == pytest.approx((0.5 + 1 + 1) / 3)
    plain, jaccard, masi = (
        found[f"krippendorff_alpha{ending}"] for ending in ("", "_jaccard", "_masi")
    )
    assert plain is not None
    assert jaccard is not None
    assert masi is not None
    assert plain < masi < jaccard < 1


def test_taxonomies_count_common_ancestors() -> None:
    dog, cat, oak = ("animal", "dog"), ("animal", "cat"), ("plant", "oak")
    found = values(agreement(Kind.TAXONOMY, [(dog,), (cat,)], [(oak,), (oak,)]))
    assert found["raw_agreement"] == 0.5
    # Values dog, cat, oak, oak; dog and cat are half apart, both are all of the way from oak.
    assert found["krippendorff_alpha_hierarchical"] == pytest.approx(
        1 - (2 * 0.5 / 4) / ((2 * 0.5 + 8) / 12)
    )


def test_numbers_ratings_and_times_have_their_own_level() -> None:
    rows = [(1.0, 1.0), (2.0, 3.0), (5.0, 5.0), (9.0, 8.0)]
    interval = values(agreement(Kind.NUMBER, *rows))
    assert interval["mean_absolute_difference"] == 0.5
    assert interval["raw_agreement"] == 0.5
    assert interval["icc_1_1"] is not None
    alphas = {
        level: values(agreement(Kind.NUMBER, *rows, level=level))["krippendorff_alpha"]
        for level in Level
    }
    assert alphas[Level.NOMINAL] == alphas[Level.INTERVAL] == interval["krippendorff_alpha"]
    assert len({alphas[Level.INTERVAL], alphas[Level.ORDINAL], alphas[Level.RATIO]}) == 3
    rating = values(agreement(Kind.RATING, *rows))["krippendorff_alpha"]
    assert rating == alphas[Level.ORDINAL]
    assert values(agreement(Kind.DATETIME, *rows)) == interval


def test_numbers_below_0_have_no_ratio_alpha_and_say_so() -> None:
    found = agreement(Kind.NUMBER, (-1.0, 2.0), (1.0, 1.0), level=Level.RATIO)
    assert found.note == "no alpha: the ratio level needs numbers from 0 up, not -1"
    assert values(found)["mean_absolute_difference"] == 1.5


def test_pairwise_answers_show_the_bias_for_the_first_side() -> None:
    found = values(agreement(Kind.PAIRWISE, ["left", "left"], ["left", "right"], ["left", "left"]))
    assert found["raw_agreement"] == pytest.approx(2 / 3)
    assert found["first_side_picked"] == pytest.approx(5 / 6)


def test_texts() -> None:
    found = agreement(Kind.TEXT, ["the cat sat", "the cat sat down"], ["hello", "hello"])
    assert values(found)["edit_similarity"] == pytest.approx((11 / 16 + 1) / 2)
    assert values(found)["word_error_rate"] == pytest.approx((1 / 3 + 1 / 4) / 2 / 2)
    assert values(found)["exact_match"] == 0.5
    alpha = values(found)["krippendorff_alpha"]
    assert alpha is not None
    assert 0.5 < alpha < 1


def ranking(*items: str) -> Ranking:
    return Ranking(columns=(("rank", items),))


def test_rankings() -> None:
    found = agreement(
        Kind.RANKING, [ranking("a", "b", "c"), ranking("a", "c", "b")], [ranking("a"), ranking("a")]
    )
    tau = found.measures["kendall_tau"]
    assert tau.value == pytest.approx(1 / 3)
    assert tau.n == 1  # one item alone has no order
    assert values(found)["exact_match"] == 0.5
    assert "same_column" not in found.measures


def test_buckets() -> None:
    one = Ranking(columns=(("best", ("a", "b")), ("rest", ("c",))))
    other = Ranking(columns=(("best", ("b", "a", "c")), ("rest", ())))
    found = values(agreement(Kind.RANKING, [one, other]))
    assert found["same_column"] == pytest.approx(2 / 3)
    assert found["kendall_tau"] == -1


def region(left: float, right: float) -> Region:
    return Region(shape=Box(left=left, top=0, right=right, bottom=1))


def test_attributes_of_regions_are_compared_where_regions_match() -> None:
    ours = (
        Attribute(region=region(0, 10), value=("old",)),
        Attribute(region=region(50, 60), value=("new",)),
    )
    theirs = (
        Attribute(region=region(0, 8), value=("old",)),
        Attribute(region=region(50, 60), value=("old",)),
        Attribute(region=region(90, 99), value=("old",)),
    )
    found = values(agreement(Kind.CHOICES, [ours, theirs], per_region=True))
    assert found == {
        "agreement": pytest.approx(0.5),
        "agreement_with_place": pytest.approx(0.8 / 3),
    }


def test_transcripts_of_regions_are_alike_in_part() -> None:
    ours = (Attribute(region=region(0, 10), value="hello"),)
    theirs = (Attribute(region=region(0, 10), value="hallo"),)
    assert values(agreement(Kind.TEXT, [ours, theirs], per_region=True))["agreement"] == 0.8


def test_relations_match_where_both_ends_do() -> None:
    ada, met, bob = (
        Region(shape=Span(start=start, end=start + 3), labels=("X",)) for start in (0, 4, 8)
    )
    ours = (Relation(source=ada, target=bob, labels=("knows",)), Relation(source=ada, target=met))
    theirs = (
        Relation(source=ada, target=bob, labels=("likes",)),
        Relation(source=met, target=ada),
        Relation(source=bob, target=met),
    )
    found = values(agreement(Kind.RELATIONS, [ours, theirs]))
    assert found["f1"] == 0
    assert found["f1_any_label"] == pytest.approx(2 / 5)
    assert found["label_agreement"] == 0


def test_relations_without_direction_may_be_drawn_from_either_end() -> None:
    ada, bob = (Region(shape=Span(start=start, end=start + 3)) for start in (0, 8))
    both = [
        (Relation(source=one, target=two, directed=False),) for one, two in ((ada, bob), (bob, ada))
    ]
    assert values(agreement(Kind.RELATIONS, both))["f1"] == 1
    one_way = [(Relation(source=one, target=two),) for one, two in ((ada, bob), (bob, ada))]
    assert values(agreement(Kind.RELATIONS, one_way))["f1"] == 0


def test_a_control_without_a_measure_says_so_by_name() -> None:
    found = agreement(Kind.UNMEASURED, [(), ()])
    assert found.measures == {}
    assert found.note == "there is no measure for answers of the type 'unmeasured'"


@pytest.mark.parametrize("kind", [Kind.CHOICES, Kind.NUMBER, Kind.TEXT, Kind.REGIONS, Kind.RANKING])
def test_answers_that_nobody_else_gave_measure_nothing(kind: Kind) -> None:
    found = agreement(kind, [None], [None, 3.0])
    assert (found.measures, found.note) == ({}, "no task was answered by two annotators")


def test_the_answers_of_a_control_where_only_one_label_was_given_have_no_alpha() -> None:
    found = agreement(Kind.CHOICES, [("a",), ("a",)], [("a",), ("a",)])
    assert found.measures["krippendorff_alpha"].value is None
    assert found.measures["raw_agreement"].value == 1


ORDERS = st.integers(2, 7).flatmap(
    lambda n: st.tuples(*[st.permutations([str(item) for item in range(n)])] * 2)
)


@given(ORDERS)
def test_tau_is_scipys(orders: tuple[list[str], list[str]]) -> None:
    one, other = orders
    ours = kendall_tau({"": one}, {"": other})
    theirs = kendalltau([one.index(item) for item in one], [other.index(item) for item in one])
    assert ours == pytest.approx(theirs.statistic)
    assert ours == kendall_tau({"": other}, {"": one})
    assert same_column({"": one}, {"": other}) == 1


@given(st.text(), st.text())
def test_text_measures_are_symmetric(one: str, other: str) -> None:
    assert edit_similarity(one, other) == edit_similarity(other, one)
    assert 0 <= edit_similarity(one, other) <= 1
    assert edit_similarity(one, one) == 1
    assert word_error_rate(one, other) == pytest.approx(word_error_rate(other, one))
    assert word_error_rate(one, one) == 0


@pytest.mark.parametrize(
    ("one", "other", "expected"), [("", "", 0), ("a b", "", 1), ("a b", "c d e", (1.5 + 1) / 2)]
)
def test_word_error_rate_of_odd_texts(one: str, other: str, expected: float) -> None:
    assert word_error_rate(one, other) == expected


def test_rankings_that_share_nothing_have_no_order() -> None:
    assert kendall_tau({"": ["a", "b"]}, {"": ["c", "d"]}) is None
    assert same_column({"": []}, {"": []}) is None
