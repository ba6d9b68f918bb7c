"""Regions matched with labels and without: brute force, hand-made figures, chance, published F1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_jobs.agreement.controls import ControlAgreement, control_agreement
from audit_jobs.measures.matching import Annotations, best_matching, overlaps
from audit_jobs.measures.pairs import Answered, pairs_between, pairs_within
from audit_jobs.measures.resampling import estimated
from audit_jobs.measures.spans import character_alpha, characters
from connectors.answers import Answer, Box, Control, Kind, Mask, Point, Region, Shape, Span
from policies.domain import FloatArray, IntArray

# Answers of one task: what each annotator marked, as (shape, label).
Marked = Sequence[tuple[Shape, str]]


def box(left: float, right: float) -> Box:
    return Box(left=left, top=0, right=right, bottom=1)


def span(start: int, end: int) -> Span:
    return Span(start=start, end=end)


def agreement(*tasks: Sequence[Marked], texts: dict[int, str] | None = None) -> ControlAgreement:
    answers = tuple(
        Answer(
            task=task,
            annotator=annotator,
            value=tuple(Region(shape=shape, labels=(label,)) for shape, label in marked),
        )
        for task, annotations in enumerate(tasks)
        for annotator, marked in enumerate(annotations)
    )
    control = Control(
        name="c",
        type="labels",
        kind=Kind.REGIONS,
        per_region=False,
        answers=answers,
        texts=texts or {},
    )
    return control_agreement(control)


def values(found: ControlAgreement) -> dict[str, float | None]:
    return {name: estimate.value for name, estimate in found.measures.items()}


def test_where_and_what_are_told_apart() -> None:
    ours = [(box(0, 2), "car"), (box(10, 12), "road")]
    theirs = [(box(1, 3), "car"), (box(10, 12), "bike"), (box(50, 51), "car")]
    found = values(agreement([ours, theirs]))
    # Whatever the label: 1/3, 1 and one region alone. With it: 1/3 and three alone.
    assert found["mean_iou_any_label"] == pytest.approx((1 / 3 + 1) / 3)
    assert found["mean_iou"] == pytest.approx(1 / 3 / 4)
    assert found["f1_50_any_label"] == pytest.approx(2 / 5)
    assert found["f1_50"] == 0
    assert found["label_agreement"] == 0  # of the one region that both marked


def test_the_matching_is_the_best_in_total_not_the_greedy_one() -> None:
    ours = [(box(0, 10), "a"), (box(3, 12), "a")]
    theirs = [(box(2, 11), "a"), (box(0, 9), "a")]
    straight = 8 / 11 + 6 / 12
    crossed = 9 / 10 + 8 / 10
    assert crossed > straight
    assert values(agreement([ours, theirs]))["mean_iou"] == pytest.approx(crossed / 2)


def test_nothing_marked_by_both_is_agreement_and_by_one_is_not() -> None:
    found = agreement([[], []], [[(box(0, 1), "a")], []])
    assert values(found)["mean_iou"] == 0.5
    assert values(found)["f1_50"] == 0.5
    assert found.measures["mean_iou"].n == 2
    assert found.measures["label_agreement"].value is None
    assert found.measures["label_agreement"].n == 0


def test_spans_by_hand() -> None:
    ours = [(span(0, 3), "PER"), (span(8, 11), "PER")]
    theirs = [(span(0, 3), "PER"), (span(8, 11), "LOC"), (span(4, 7), "PER")]
    found = values(agreement([ours, theirs], texts={0: "Ada met Bob"}))
    assert found["f1_exact"] == pytest.approx(2 / 5)
    assert found["f1_exact_any_label"] == pytest.approx(4 / 5)
    assert found["f1_overlap_any_label"] == pytest.approx(4 / 5)
    assert found["f1_exact_pooled"] == pytest.approx(2 / 5)
    assert found["f1_words_pooled"] == pytest.approx(2 / 5)
    # 22 characters said: 9 PER by one, 6 by the other, 3 LOC, 8 + 2 blank; 6 of 11 units differ.
    counts = np.array([3 + 3 + 3 + 3, 3, 7])
    expected = (22**2 - (counts**2).sum()) / (22 * 21)
    assert found["character_alpha"] == pytest.approx(1 - (6 / 11) / expected)


def test_a_text_of_unknown_length_ends_with_the_last_span() -> None:
    one = characters([[(0, 3, "A")], [(1, 3, "A")]], None)
    assert dict(one.values) == {frozenset({"A"}): 5, frozenset(): 1}
    assert one.disagreement == 2  # one character of two annotators who differ
    long = characters([[(0, 3, "A")], [(1, 3, "A")]], 10)
    assert sum(long.values.values()) == 20


def test_character_alpha_of_one_label_only_is_undefined() -> None:
    texts = {0: [characters([[(0, 3, "A")], [(0, 3, "A")]], 3)]}
    found = estimated([character_alpha(texts, 1)], 1)["character_alpha"]
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 1)


def test_dice_counts_what_is_painted_however_many_strokes_it_took() -> None:
    def mask(*runs: tuple[int, int]) -> Mask:
        return Mask(width=10, height=10, runs=np.array(runs, dtype=np.int64))

    ours = [(mask((0, 5)), "sky"), (mask((5, 10)), "sky")]
    theirs = [(mask((0, 10)), "sky"), (mask((50, 60)), "sea")]
    found = values(agreement([ours, theirs]))
    assert found["dice"] == 0.5  # 1 for the sky, 0 for the sea
    assert found["mean_iou"] == pytest.approx(0.5 / 3)


def test_masks_that_cannot_be_compared_are_left_out() -> None:
    def mask(width: int) -> Mask:
        return Mask(width=width, height=1, runs=np.array([[0, 5]]))

    found = agreement([[(mask(5), "a")], [(mask(6), "a")]])
    assert (found.measures["mean_iou"].value, found.measures["mean_iou"].n) == (None, 0)


def test_key_points_are_the_same_within_tolerance() -> None:
    ours = [(Point(x=0.5, y=0.5), "nose"), (Point(x=0.1, y=0.1), "ear")]
    theirs = [(Point(x=0.51, y=0.5), "nose"), (Point(x=0.2, y=0.1), "ear")]
    found = values(agreement([ours, theirs]))
    assert found["mean_nearness"] == pytest.approx(0.8 / 3)
    assert found["f1_within_tolerance"] == 0.5


def test_alpha_is_1_for_equal_answers_and_about_0_for_random_ones() -> None:
    rng = np.random.default_rng(0)

    def random_boxes() -> Marked:
        return [(box(at, at + 9), "a") for at in rng.uniform(0, 30, 3)]

    random = agreement(*([random_boxes(), random_boxes()] for _ in range(200)))
    alpha = random.measures["krippendorff_alpha"]
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low < 0 < alpha.high
    assert alpha.high - alpha.low < 0.2
    assert random.measures["mean_iou"].value > 0.3  # type: ignore[operator] # what chance alone gives

    same = [random_boxes() for _ in range(20)]
    assert values(agreement(*([one, one] for one in same)))["krippendorff_alpha"] == 1


def test_alpha_without_another_task_is_undefined() -> None:
    found = agreement([[(box(0, 1), "a")], [(box(0, 1), "a")]])
    assert found.measures["krippendorff_alpha"].value is None
    assert found.measures["mean_iou"].value == 1


def test_tasks_of_one_annotator_say_nothing() -> None:
    found = agreement([[(box(0, 1), "a")]])
    assert (found.measures, found.pairs) == ({}, ())
    assert found.note == "no task was answered by two annotators"


def test_annotators_are_compared_two_by_two() -> None:
    whole, half = [(box(0, 2), "a")], [(box(0, 1), "a")]
    found = agreement([whole, whole, half], [whole, whole])
    each = {pair.annotators: pair.agreement for pair in found.pairs}
    assert found.compared == "mean_iou"
    assert each[(0, 1)].value == 1
    assert each[(0, 2)].value == each[(1, 2)].value == 0.5
    assert [each[pair].n for pair in ((0, 1), (0, 2), (1, 2))] == [2, 1, 1]
    one_task = each[(0, 2)]
    assert one_task.low is not None
    assert one_task.high is not None
    assert 0 < one_task.low < 0.5 < one_task.high < 1


TABLES = st.integers(1, 4).flatmap(
    lambda rows: st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
)


def by_hand(table: FloatArray) -> float:
    rows, columns = table.shape
    if rows > columns:
        return by_hand(table.T)
    return float(
        max(table[range(rows), list(at)].sum() for at in permutations(range(columns), rows))
    )


@given(st.lists(TABLES, min_size=1, max_size=4))
def test_matchings_are_the_best_of_all(tables: list[list[list[float]]]) -> None:
    every = [np.array(table) for table in tables]
    sizes = [size for table in every for size in table.shape]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    pair_of = np.repeat(np.arange(len(every)), [sum(table.shape) for table in every])

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        found = [
            every[pair_of[one]][
                one - starts[2 * pair_of[one]], other - starts[2 * pair_of[one] + 1]
            ]
            for one, other in zip(left, right, strict=True)
        ]
        return np.array(found, dtype=np.float64)

    tasks = np.repeat(np.arange(len(every)), 2)
    annotations = Annotations(
        answered=Answered(tasks=tasks, raters=np.tile([0, 1], len(every))),
        starts=starts,
        labels=np.zeros(starts[-1], dtype=np.int64),
    )
    found = overlaps(annotations, pairs_within(tasks), similarity)
    chosen = best_matching(found, found.similarity)
    for place, table in enumerate(every):
        mine = chosen & (found.pair == place)
        assert len(set(found.left[mine])) == len(set(found.right[mine])) == mine.sum()
        assert found.similarity[mine].sum() == pytest.approx(by_hand(table))


MARKED = st.lists(
    st.tuples(
        st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda at: box(at[0], sum(at))),
        st.sampled_from("ab"),
    ),
    max_size=5,
)


@settings(max_examples=60)  # each measures twice, with all intervals
@given(st.lists(st.lists(MARKED, min_size=2, max_size=3), min_size=1, max_size=4))
def test_figures_are_shares_and_do_not_depend_on_the_order(tasks: list[list[Marked]]) -> None:
    found = values(agreement(*tasks))
    turned = values(agreement(*([list(reversed(one)) for one in task] for task in tasks)))
    for name, value in found.items():
        if value is None:
            assert turned[name] is None
            continue
        assert turned[name] == pytest.approx(value)
        assert value <= 1 + 1e-12
        assert value >= 0 or name == "krippendorff_alpha"


@settings(max_examples=60)
@given(st.lists(st.lists(MARKED, min_size=2, max_size=3), min_size=1, max_size=4))
def test_where_all_have_one_label_it_makes_no_difference(tasks: list[list[Marked]]) -> None:
    """In general either may be higher: the best match by place can leave more regions alone."""
    alike = [[[(shape, "a") for shape, _ in one] for one in task] for task in tasks]
    found = values(agreement(*alike))
    for name in ("mean_iou", "f1_50", "f1_75"):
        assert found[name] == pytest.approx(found[f"{name}_any_label"])


@given(MARKED, MARKED)
def test_identical_is_1_and_apart_is_0(ours: Marked, theirs: Marked) -> None:
    assert values(agreement([ours, ours]))["mean_iou"] == 1
    away = [(box(shape.left + 99, shape.right + 99), label) for shape, label in theirs]  # type: ignore[union-attr] # boxes all
    assert values(agreement([ours, away]))["mean_iou"] == (0 if ours or theirs else 1)


def test_pairs_within_are_all_pairs_of_a_task_and_pairs_between_none() -> None:
    tasks = np.array([0, 0, 0, 1, 2, 2])
    within = pairs_within(tasks)
    pairs = list(zip(within.left.tolist(), within.right.tolist(), strict=True))
    assert pairs == [(0, 1), (0, 2), (1, 2), (4, 5)]
    answered = Answered(tasks=tasks, raters=np.arange(6))
    between = pairs_between(answered, 100)
    assert len(between) == 15 - 4
    few = pairs_between(answered, 5, seed=1)
    assert len(few) == 5
    assert (tasks[few.left] != tasks[few.right]).all()


def test_random_pairs_of_many_answers_are_of_different_tasks() -> None:
    tasks = np.repeat(np.arange(500), 3)
    answered = Answered(tasks=tasks, raters=np.tile(np.arange(3), 500))
    found = pairs_between(answered, 1_000, seed=3)
    again = pairs_between(answered, 1_000, seed=3)
    assert len(found) == 1_000
    assert (tasks[found.left] != tasks[found.right]).all()
    assert (found.left == again.left).all()


@pytest.fixture(scope="module")
def conll(data_folder: Path) -> list[dict[str, Any]]:
    lines = (data_folder / "conll02es_ner_4annotators.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def conll_agreement(rows: list[dict[str, Any]], label: str | None = None) -> ControlAgreement:
    docs = sorted({row["doc"] for row in rows})
    everybody = ["lisa", "maria", "max", "peter"]
    by = {(row["doc"], row["annotator"].lower()): row for row in rows}
    tasks = [
        [
            [
                (span(each["start"], each["end"]), each["label"])
                for each in by[doc, name]["spans"]
                if label in {None, each["label"]}
            ]
            for name in everybody
        ]
        for doc in docs
    ]
    return agreement(*tasks, texts={at: by[doc, "max"]["text"] for at, doc in enumerate(docs)})


def test_conll_figures_of_bratiaa(conll: list[dict[str, Any]]) -> None:
    found = values(conll_agreement(conll))
    assert found["f1_exact_pooled"] == pytest.approx(0.8904, abs=5e-5)
    assert found["f1_words_pooled"] == pytest.approx(0.964, abs=5e-4)


@pytest.mark.parametrize(
    ("doc", "published"),
    [
        ("100", 0.798),
        ("1400", 0.894),
        ("29", 0.906),
        ("423", 0.906),
        ("46", 0.936),
        ("503", 0.907),
        ("896", 0.873),
    ],
)
def test_conll_figures_of_each_document(
    conll: list[dict[str, Any]], doc: str, published: float
) -> None:
    rows = [row for row in conll if row["doc"].endswith(f"-{doc}")]
    assert values(conll_agreement(rows))["f1_exact"] == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("label", "published"), [("LOC", 0.819), ("MISC", 0.840), ("ORG", 0.906), ("PER", 0.938)]
)
def test_conll_figures_of_each_label(
    conll: list[dict[str, Any]], label: str, published: float
) -> None:
    found = values(conll_agreement(conll, label))
    assert found["f1_exact_pooled"] == pytest.approx(published, abs=5e-4)


def test_conll_spread_over_pairs_of_annotators(conll: list[dict[str, Any]]) -> None:
    everybody = sorted({row["annotator"] for row in conll})
    docs = sorted({row["doc"] for row in conll})
    by = {(row["doc"], row["annotator"]): row["spans"] for row in conll}
    each = []
    for pair in combinations(everybody, 2):
        tasks = [
            [
                [(span(one["start"], one["end"]), one["label"]) for one in by[doc, name]]
                for name in pair
            ]
            for doc in docs
        ]
        each.append(values(agreement(*tasks))["f1_exact_pooled"])
    assert np.std(np.array(each, dtype=np.float64)) == pytest.approx(0.0526, abs=5e-5)
