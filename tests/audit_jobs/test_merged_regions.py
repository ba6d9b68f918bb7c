"""Spans and boxes of several annotators as one set: what is kept, where its edges lie, how sure."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.merged_regions import Box, Span, merged_boxes, merged_spans

LABELS = st.sampled_from(["A", "B"])
SPANS = st.builds(
    lambda start, length, label: Span(start=start, end=start + length, label=label),
    st.integers(0, 40),
    st.integers(0, 12),
    LABELS,
)
ANNOTATIONS = st.lists(st.lists(SPANS, max_size=6), min_size=1, max_size=5)


def span(start: float, end: float, label: str = "A") -> Span:
    return Span(start=start, end=end, label=label)


def box(x: float, y: float, size: float, label: str = "A") -> Box:
    return Box(x=x, y=y, width=size, height=size, label=label)


def test_what_most_have_is_kept_and_the_rest_is_not() -> None:
    found = merged_spans([[span(0, 10), span(50, 60)], [span(0, 10)], [span(0, 10), span(80, 90)]])
    assert [one.region for one in found] == [span(0, 10)]
    assert found[0].support.confidence == 1


def test_half_is_no_majority() -> None:
    assert merged_spans([[span(0, 10)], []]) == ()
    assert len(merged_spans([[span(0, 10)]])) == 1


def test_edges_are_medians_and_one_far_edge_moves_them_not() -> None:
    found = merged_boxes([[box(0, 0, 10)], [box(1, 1, 10)], [box(0, 0, 14)]])
    assert [one.region for one in found] == [box(0, 0, 11)]


def test_edges_of_spans_are_edges_that_somebody_drew() -> None:
    (found,) = merged_spans([[span(0, 10)], [span(2, 11)]])
    assert found.region == span(0, 10)


def test_the_label_is_the_vote_and_confidence_its_share_of_all_annotators() -> None:
    (found,) = merged_spans([[span(0, 9, "X")], [span(0, 9, "Y")], [span(0, 9, "Y")], []])
    assert found.region.label == "Y"
    assert found.support.found == pytest.approx(3 / 4)
    assert found.support.confidence == pytest.approx(2 / 4)
    assert not found.support.tied


def test_tied_labels_are_reported() -> None:
    (found,) = merged_boxes([[box(0, 0, 9, "Y")], [box(0, 0, 9, "X")]])
    assert (found.region.label, found.support.tied) == ("X", True)


def test_one_annotators_two_regions_are_never_one() -> None:
    twice = [span(0, 10), span(0, 10)]
    found = merged_spans([twice, twice, twice])
    assert [one.region for one in found] == twice


def test_a_chain_of_neighbours_does_not_grow_together() -> None:
    """Each overlaps the next by 0.6, the ends of the chain by 0.33: no region of all three."""
    found = merged_spans([[span(0, 8)], [span(2, 10)], [span(4, 12)]])
    assert len(found) == 1
    assert found[0].support.found == pytest.approx(2 / 3)


def test_a_region_without_extent_meets_its_equals() -> None:
    found = merged_spans([[span(5, 5)], [span(5, 5)], [span(6, 6)]])
    assert [one.region for one in found] == [span(5, 5)]
    assert found[0].support.found == pytest.approx(2 / 3)


def test_nobody_and_nothing_make_nothing() -> None:
    assert merged_spans([]) == ()
    assert merged_boxes([[], [], []]) == ()


@given(ANNOTATIONS)
def test_what_everybody_drew_alike_stays_as_it_is(annotations: list[list[Span]]) -> None:
    kinds = {(one.start, one.end): one for one in annotations[0]}
    one_of_each = sorted(kinds.values(), key=lambda one: (one.start, one.end))
    found = merged_spans([one_of_each] * 3, same=1.0)
    assert [one.region for one in found] == one_of_each
    assert all(one.support.confidence == 1 for one in found)


@given(ANNOTATIONS, st.sampled_from([0.3, 0.5, 0.75, 1.0]))
def test_every_merged_region_has_a_majority_and_no_more_votes_than_annotators(
    annotations: list[list[Span]], same: float
) -> None:
    found = merged_spans(annotations, same)
    everybody = len(annotations)
    assert all(0.5 < one.support.found <= 1 for one in found)
    assert all(0 < one.support.confidence <= one.support.found for one in found)
    votes = sum(round(one.support.found * everybody) for one in found)
    assert votes <= sum(map(len, annotations))
    edges = {one.start for spans in annotations for one in spans}
    assert all(one.region.start in edges and one.region.start <= one.region.end for one in found)


@given(ANNOTATIONS)
def test_the_order_of_the_annotators_and_the_scale_change_no_count(
    annotations: list[list[Span]],
) -> None:
    found = merged_spans(annotations)
    scaled = merged_spans(
        [
            [span(3 * one.start + 7, 3 * one.end + 7, one.label) for one in spans]
            for spans in annotations
        ]
    )
    expected = [(3 * one.region.start + 7, 3 * one.region.end + 7) for one in found]
    assert [(one.region.start, one.region.end) for one in scaled] == expected


@pytest.mark.simulation
def test_the_merged_boxes_of_a_noisy_crowd_are_nearer_the_truth_than_its_members() -> None:
    random = np.random.default_rng(0)
    truth = [(float(x), float(y)) for x in range(0, 500, 100) for y in range(0, 300, 100)]
    crowd = [
        [
            Box(
                x=x + random.normal(0, 4),
                y=y + random.normal(0, 4),
                width=60 + random.normal(0, 4),
                height=60 + random.normal(0, 4),
                label="car" if random.random() < 0.8 else "van",
            )
            for x, y in truth
            if random.random() < 0.9
        ]
        + [box(random.uniform(0, 500), random.uniform(0, 300), 5)]
        for _ in range(7)
    ]
    found = merged_boxes(crowd)
    assert len(found) == len(truth)
    near = {(round(one.region.x, -2), round(one.region.y, -2)): one.region for one in found}
    errors = [abs(near[spot].x - spot[0]) for spot in truth]
    assert np.mean(errors) < 2  # a single one is off by 3.2 on average
    assert np.mean([one.region.label == "car" for one in found]) > 0.9


def test_real_spans_of_four_annotators_agree_with_each_other_less_than_with_their_merger(
    data_folder: Path,
) -> None:
    documents: dict[str, list[list[Span]]] = {}
    lines = (data_folder / "conll02es_ner_4annotators.jsonl").read_bytes().splitlines()
    for row in map(orjson.loads, lines):
        spans = [span(one["start"], one["end"], one["label"]) for one in row["spans"]]
        documents.setdefault(row["doc"], []).append(spans)
    with_merged, with_each_other = [], []
    for each in documents.values():
        merged = {one.region for one in merged_spans(each)}
        with_merged += [f1(set(spans), merged) for spans in each]
        with_each_other += [f1(set(one), set(other)) for one, other in combinations(each, 2)]
    assert len(with_merged) == 28
    assert np.mean(with_merged) > np.mean(with_each_other) + 0.02


def f1(one: set[Span], other: set[Span]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
