"""Shapes of any kind, side by side: each is compared with its own kind, kinds never overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit_jobs.measures.boxes import box_iou
from audit_jobs.measures.keypoints import nearness
from audit_jobs.measures.masks import mask_iou
from audit_jobs.measures.matching import Similarity
from audit_jobs.measures.polygons import area_iou, areas_of
from audit_jobs.measures.segments import segment_iou
from audit_jobs.measures.tracks import Shown, shown, tracks_iou
from connectors.answers import Box, Interval, Mask, Outline, Point, Shape, Span, Track
from policies.domain import FloatArray, IntArray

Stretch = Span | Interval
Area = Box | Outline


def similarity_of(shapes: Sequence[Shape]) -> Similarity:
    """The similarity of any two of the shapes, given by their places.

    IoU in one dimension for spans and intervals, in two for areas and masks, frame by frame for
    tracks; nearness for points. Rectangles and outlines are areas alike.
    """
    families = np.fromiter((_family(each) for each in shapes), dtype=np.int64, count=len(shapes))
    places = np.zeros(len(shapes), dtype=np.int64)
    parts: dict[int, Similarity] = {}
    for family in np.unique(families).tolist():
        members = np.flatnonzero(families == family)
        places[members] = np.arange(len(members))
        parts[family] = _similarity([shapes[place] for place in members])
    if len(parts) == 1:
        return next(iter(parts.values()))

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        found = np.zeros(len(left))
        for family, compare in parts.items():
            both = np.flatnonzero((families[left] == family) & (families[right] == family))
            found[both] = compare(places[left[both]], places[right[both]])
        return found

    return similarity


def _family(shape: Shape) -> int:
    match shape:
        case Span() | Interval():
            return 0
        case Box() | Outline():
            return 1
        case Point():
            return 2
        case Mask():
            return 3
        case Track():
            return 4


def _similarity(shapes: Sequence[Shape]) -> Similarity:
    """The similarity of shapes that are all of the family of the first."""
    match shapes[0]:
        case Span() | Interval():
            return _stretches([each for each in shapes if isinstance(each, Span | Interval)])
        case Box() | Outline():
            return _areas([each for each in shapes if isinstance(each, Box | Outline)])
        case Point():
            return _points([each for each in shapes if isinstance(each, Point)])
        case Mask():
            return _masks([each for each in shapes if isinstance(each, Mask)])
        case Track():
            return _tracks([each for each in shapes if isinstance(each, Track)])


def _stretches(shapes: Sequence[Stretch]) -> Similarity:
    lines = {name: code for code, name in enumerate({each.container for each in shapes})}
    return segment_iou(
        np.array([each.start for each in shapes], dtype=np.float64),
        np.array([each.end for each in shapes], dtype=np.float64),
        np.array([lines[each.container] for each in shapes], dtype=np.int64),
    )


def _areas(shapes: Sequence[Area]) -> Similarity:
    if all(isinstance(each, Box) for each in shapes):
        return box_iou(np.array([_edges(each) for each in shapes if isinstance(each, Box)]))
    return area_iou(areas_of([_corners(each) for each in shapes]))


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _corners(shape: Area) -> Sequence[tuple[float, float]]:
    if isinstance(shape, Outline):
        return shape.points
    left, top, right, bottom = _edges(shape)
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _points(shapes: Sequence[Point]) -> Similarity:
    return nearness(np.array([(each.x, each.y) for each in shapes]))


def _masks(shapes: Sequence[Mask]) -> Similarity:
    return mask_iou([each.runs for each in shapes], [(each.width, each.height) for each in shapes])


def _tracks(shapes: Sequence[Track]) -> Similarity:
    return tracks_iou([_shown(each) for each in shapes])


def _shown(track: Track) -> Shown:
    boxes = [
        (frame.x, frame.y, frame.width, frame.height, frame.rotation) for frame in track.keyframes
    ]
    return shown(
        np.array([frame.frame for frame in track.keyframes], dtype=np.int64),
        np.array(boxes, dtype=np.float64),
        np.array([frame.enabled for frame in track.keyframes], dtype=np.bool_),
        last=track.frames,
        aspect=track.aspect,
    )
