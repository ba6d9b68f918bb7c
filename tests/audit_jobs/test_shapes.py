"""Similarity of shapes: figures computed by hand, and what holds for shapes of every kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.measures.boxes import box_iou, paired_box_iou
from audit_jobs.measures.masks import dice, painted, shared, union
from audit_jobs.measures.shapes import similarity_of
from connectors.answers import Box, Interval, Keyframe, Mask, Outline, Point, Shape, Span, Track
from policies.domain import IntArray


def similarity(one: Shape, other: Shape) -> float:
    return float(similarity_of([one, other])(np.array([0]), np.array([1]))[0])


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


def mask(*runs: tuple[int, int], width: int = 10, height: int = 10) -> Mask:
    return Mask(width=width, height=height, runs=np.array(runs, dtype=np.int64).reshape(-1, 2))


def keyframe(frame: int, x: float, *, enabled: bool = True, rotation: float = 0) -> Keyframe:
    return Keyframe(frame=frame, x=x, y=0, width=10, height=10, rotation=rotation, enabled=enabled)


def track(*keyframes: Keyframe, frames: int = 10) -> Track:
    return Track(keyframes=keyframes, frames=frames)


THIRD = 1 / 3
SQUARE = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
BESIDE = ((1.0, 0.0), (3.0, 0.0), (3.0, 2.0), (1.0, 2.0))
# Two triangles that meet in the middle of a square of 4 x 4: an area of 8.
BOW_TIE = ((0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0))
TOP_HALF_TRIANGLE = ((0.0, 0.0), (2.0, 2.0), (0.0, 4.0))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Span(start=0, end=10), Span(start=5, end=15), THIRD),
        (Span(start=0, end=10), Span(start=10, end=15), 0),
        (Span(start=0, end=10, container="a"), Span(start=0, end=10, container="b"), 0),
        (Interval(start=0, end=2), Interval(start=1, end=3), THIRD),
        (Interval(start=1, end=1), Interval(start=1, end=1), 1),
        (Interval(start=1, end=1), Interval(start=0, end=3), 0),
        (box(0, 0, 2, 2), box(1, 0, 3, 2), THIRD),
        (box(0, 0, 2, 2), box(1, 1, 3, 3), 1 / 7),
        (box(0, 0, 2, 2), box(3, 3, 4, 4), 0),
        (box(0, 0, 2, 2), box(-5, 3, 9, 4), 0),
        (Outline(points=SQUARE), Outline(points=BESIDE), THIRD),
        (Outline(points=SQUARE), box(1, 0, 3, 2), THIRD),
        (Outline(points=BOW_TIE), Outline(points=TOP_HALF_TRIANGLE), 0.5),
        (Point(x=0.1, y=0.1), Point(x=0.1, y=0.11), 0.8),
        (Point(x=0.1, y=0.1), Point(x=0.2, y=0.1), 0),
        (mask((0, 10)), mask((5, 15)), THIRD),
        (mask((0, 3), (6, 9)), mask((3, 6)), 0),
        (track(keyframe(1, 0)), track(keyframe(1, 5)), THIRD),
        # From frame 6 on only one of them is seen: 5 frames of 10.
        (track(keyframe(1, 0)), track(keyframe(1, 0), keyframe(5, 0, enabled=False)), 0.5),
        # 0, 2.5, 5, 7.5, 10 to the right: IoU 1, 3/5, 1/3, 1/7, 0.
        (
            track(keyframe(1, 0), frames=5),
            track(keyframe(1, 0), keyframe(5, 10), frames=5),
            (1 + 3 / 5 + 1 / 3 + 1 / 7) / 5,
        ),
        (track(keyframe(1, 0)), track(keyframe(11, 0), frames=20), 0),
        # A square turned by a right angle about its corner lies left of it.
        (track(keyframe(1, 10)), track(keyframe(1, 20, rotation=90)), 1),
    ],
)
def test_similarity_by_hand(one: Shape, other: Shape, expected: float) -> None:
    assert similarity(one, other) == pytest.approx(expected, abs=1e-12)


def test_masks_of_images_of_different_size_cannot_be_compared() -> None:
    assert np.isnan(similarity(mask((0, 10)), mask((0, 10), width=20)))


def test_shapes_of_different_kinds_share_nothing() -> None:
    shapes: list[Shape] = [Span(start=0, end=9), box(0, 0, 9, 9), Point(x=0, y=0), mask((0, 9))]
    left, right = np.divmod(np.arange(16), 4)
    found = similarity_of([*shapes])(left, right).reshape(4, 4)
    assert (found == np.eye(4)).all()


def stretches() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda at: (at[0], at[0] + at[1]))


def boxes() -> st.SearchStrategy[Box]:
    return st.tuples(stretches(), stretches()).map(
        lambda at: box(at[0][0], at[1][0], at[0][1], at[1][1])
    )


def outlines() -> st.SearchStrategy[Outline]:
    corner = st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float))
    return (
        st.lists(corner, min_size=3, max_size=6)
        .filter(lambda points: shapely.make_valid(shapely.Polygon(points)).area > 0)
        .map(lambda points: Outline(points=tuple(points)))
    )


def runs() -> st.SearchStrategy[IntArray]:
    return st.lists(stretches(), max_size=4).map(
        lambda found: union([np.array(found, dtype=np.int64).reshape(-1, 2)])
    )


def masks() -> st.SearchStrategy[Mask]:
    return runs().filter(len).map(lambda found: Mask(width=30, height=1, runs=found))


def tracks() -> st.SearchStrategy[Track]:
    frame = st.builds(
        Keyframe,
        frame=st.integers(0, 12),
        x=st.integers(0, 9).map(float),
        y=st.integers(0, 9).map(float),
        width=st.integers(1, 9).map(float),
        height=st.integers(1, 9).map(float),
        rotation=st.sampled_from([0.0, 30.0]),
        enabled=st.booleans(),
    )
    return st.lists(frame, min_size=1, max_size=3, unique_by=lambda each: each.frame).map(
        lambda found: Track(
            keyframes=tuple(sorted(found, key=lambda each: each.frame)), frames=14, aspect=1.5
        )
    )


SHAPES: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "span": lambda: stretches().map(lambda at: Span(start=at[0], end=at[1])),
    "interval": lambda: stretches().map(lambda at: Interval(start=at[0] / 2, end=at[1] / 2)),
    "box": boxes,
    "area": lambda: boxes() | outlines(),
    "point": lambda: st.builds(Point, x=st.floats(0, 0.1), y=st.floats(0, 0.1)),
    "mask": masks,
    "track": tracks,
}


@pytest.mark.parametrize("kind", SHAPES)
@given(data=st.data())
def test_similarity_is_symmetric_a_share_and_1_for_the_same(kind: str, data: st.DataObject) -> None:
    shapes = data.draw(st.lists(SHAPES[kind](), min_size=2, max_size=5))
    left, right = np.divmod(np.arange(len(shapes) ** 2), len(shapes))
    compare = similarity_of(shapes)
    found = compare(left, right).reshape(len(shapes), -1)
    assert ((found >= 0) & (found <= 1)).all()
    assert np.allclose(found, found.T, atol=1e-9)
    assert np.allclose(np.diag(found), 1.0)


@pytest.mark.parametrize(
    ("kind", "move"),
    [
        ("span", lambda it: Span(start=it.start + 100, end=it.end + 100)),
        ("interval", lambda it: Interval(start=it.start + 100, end=it.end + 100)),
        ("box", lambda it: box(it.left + 100, it.top, it.right + 100, it.bottom)),
        ("point", lambda it: Point(x=it.x + 1, y=it.y)),
    ],
)
@given(data=st.data())
def test_similarity_is_0_for_shapes_that_are_apart(
    kind: str, move: Callable[[Any], Shape], data: st.DataObject
) -> None:
    one, other = data.draw(st.tuples(SHAPES[kind](), SHAPES[kind]()))
    assert similarity(one, move(other)) == 0


@given(st.lists(boxes(), min_size=2, max_size=6))
def test_boxes_are_what_shapely_makes_of_them(found: Sequence[Box]) -> None:
    edges = np.array([(each.left, each.top, each.right, each.bottom) for each in found])
    areas = shapely.box(*edges.T)
    left, right = np.divmod(np.arange(len(edges) ** 2), len(edges))
    common = shapely.area(shapely.intersection(areas[left], areas[right]))
    covered = shapely.area(shapely.union(areas[left], areas[right]))
    assert np.allclose(box_iou(edges)(left, right), common / covered)
    assert np.allclose(paired_box_iou(edges[left], edges[right]), common / covered)


@given(runs(), runs())
def test_masks_are_sets_of_pixels(one: IntArray, other: IntArray) -> None:
    ours, theirs = (
        {pixel for start, end in found for pixel in range(start, end)} for found in (one, other)
    )
    assert painted(one) == len(ours)
    assert shared(one, other) == len(ours & theirs)
    assert painted(union([one, other])) == len(ours | theirs)
    both = len(ours) + len(theirs)
    assert dice(one, other) == (2 * len(ours & theirs) / both if both else 1.0)
