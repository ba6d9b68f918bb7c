"""Consensus of spans and boxes: regions that most annotators have, with the edges of the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from audit_jobs.measures.pairs import spread
from policies.domain import FloatArray, IntArray

SAME_REGION = 0.5  # intersection over union from which two regions are taken for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A labelled stretch of text or time, from ``start`` to ``end``, the end not included."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A labelled upright rectangle: its upper left corner and its size, in any unit."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How far the annotators of a task stand behind a merged region.

    ``confidence`` is the share of all the task's annotators who have the region under its label,
    ``found`` the share who have it under any. ``tied`` says that another label has as many votes;
    the first in alphabetical order stands then.
    """

    confidence: float
    found: float
    tied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSpan:
    """A span that most annotators have."""

    region: Span
    support: Support


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedBox:
    """A box that most annotators have."""

    region: Box
    support: Support


def merged_spans(
    annotations: Sequence[Sequence[Span]], same: float = SAME_REGION
) -> tuple[MergedSpan, ...]:
    """The spans that more than half of the annotators have, in the order of the text.

    One sequence for each annotator, an empty one for who found nothing. Edges are edges that
    somebody drew: the lower median.

    >>> ann, bob, cem = [Span(start=0, end=5, label="PER")], [Span(start=0, end=6, label="PER")], []
    >>> [(one.region.end, round(one.support.found, 2)) for one in merged_spans([ann, bob, cem])]
    [(5, 0.67)]
    """
    spans = [span for spans in annotations for span in spans]
    edges = np.array([(span.start, span.end) for span in spans], dtype=np.float64).reshape(-1, 2)
    found = []
    for places in _groups(edges, _owners(annotations), same, len(annotations)):
        label, support = _vote([spans[place].label for place in places], len(annotations))
        start, end = (
            sorted(values)[(len(places) - 1) // 2]
            for values in (
                [spans[place].start for place in places],
                [spans[place].end for place in places],
            )
        )
        region = Span(start=start, end=max(start, end), label=label)
        found.append(MergedSpan(region=region, support=support))
    return tuple(sorted(found, key=lambda one: (one.region.start, one.region.end)))


def merged_boxes(
    annotations: Sequence[Sequence[Box]], same: float = SAME_REGION
) -> tuple[MergedBox, ...]:
    """The boxes that more than half of the annotators have, from top to bottom.

    One sequence for each annotator, an empty one for who found nothing. Each edge is the median of
    the matched boxes' edges.
    """
    boxes = [box for boxes in annotations for box in boxes]
    edges = np.array(
        [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes], dtype=np.float64
    ).reshape(-1, 4)
    found = []
    for places in _groups(edges, _owners(annotations), same, len(annotations)):
        label, support = _vote([boxes[place].label for place in places], len(annotations))
        left, top, right, bottom = np.median(edges[places], axis=0).tolist()
        region = Box(x=left, y=top, width=right - left, height=bottom - top, label=label)
        found.append(MergedBox(region=region, support=support))
    return tuple(sorted(found, key=lambda one: (one.region.y, one.region.x)))


def _owners(annotations: Sequence[Sequence[object]]) -> IntArray:
    sizes = [len(regions) for regions in annotations]
    return np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)


def _vote(labels: Sequence[str], annotators: int) -> tuple[str, Support]:
    votes = Counter(labels)
    most = max(votes.values())
    tops = sorted(label for label, count in votes.items() if count == most)
    return tops[0], Support(
        confidence=most / annotators, found=len(labels) / annotators, tied=len(tops) > 1
    )


def _groups(edges: FloatArray, owners: IntArray, same: float, annotators: int) -> list[list[int]]:
    """Regions that are one, each annotator's at most once; only groups of more than half.

    The most alike are joined first, whatever they are called, and a group takes another in only
    if their regions overlap enough on average, so that a chain of neighbours does not grow
    together and one careless edge does not tear a region apart (average linkage).
    """
    if not 0 < same <= 1:
        raise ValueError(f"same = {same} must be above 0 and at most 1")
    first, second, alike = _overlaps(edges)
    order = np.argsort(-alike, kind="stable")
    order = order[alike[order] >= same]
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    near = dict(zip(pairs, alike.tolist(), strict=True))
    groups = [[place] for place in range(len(edges))]
    of = list(range(len(edges)))
    for left, right in zip(first[order].tolist(), second[order].tolist(), strict=True):
        one, other = of[left], of[right]
        if one != other and _one_region(groups[one], groups[other], near, owners) >= same:
            groups[one] += groups[other]
            for place in groups[other]:
                of[place] = one
            groups[other] = []
    return [sorted(group) for group in groups if 2 * len(group) > annotators]


def _one_region(
    one: list[int], other: list[int], near: dict[tuple[int, int], float], owners: IntArray
) -> float:
    """The mean overlap between two groups, 0 where one annotator has a region in both."""
    if set(owners[one].tolist()) & set(owners[other].tolist()):
        return 0.0
    total = sum(near.get((min(pair), max(pair)), 0.0) for pair in product(one, other))
    return total / (len(one) * len(other))


def _overlaps(edges: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of regions that may overlap, with their intersection over union.

    Low edges stand before their high ones. Regions without extent overlap with their equals alone.
    """
    low, high = np.split(edges, 2, axis=1)
    order = np.argsort(low[:, 0], kind="stable")
    ends = np.searchsorted(low[order, 0], high[order, 0], side="right")
    place, further = spread(np.maximum(ends - np.arange(len(order)) - 1, 0))
    both = np.sort(np.column_stack([order[place], order[place + 1 + further]]), axis=1)
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    first, second = both[:, 0], both[:, 1]
    inner = np.minimum(high[first], high[second]) - np.maximum(low[first], low[second])
    shared = np.maximum(inner, 0).prod(axis=1)
    sizes = np.maximum(high - low, 0).prod(axis=1)
    union = sizes[first] + sizes[second] - shared
    alike: FloatArray = (edges[first] == edges[second]).all(axis=1).astype(np.float64)
    np.divide(shared, union, out=alike, where=union > 0)
    return first, second, alike
