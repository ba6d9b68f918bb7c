"""Rectangles tracked through a video: compared frame by frame, between key frames too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from audit_jobs.measures.boxes import paired_box_iou
from audit_jobs.measures.matching import Similarity
from policies.domain import BoolArray, FloatArray, IntArray

X, Y, WIDTH, HEIGHT, ROTATION = range(5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """The frames in which a rectangle is seen, and where: x, y, width, height, rotation.

    ``aspect`` is the video's width by its height in pixels; rotation is about the top left corner.
    """

    frames: IntArray
    boxes: FloatArray
    aspect: float


def shown(
    frames: IntArray, boxes: FloatArray, enabled: BoolArray, *, last: int, aspect: float = 1.0
) -> Shown:
    """The track that these key frames describe; ``frames`` is sorted, ``last`` ends the video.

    From an enabled key frame the rectangle moves evenly to the next one, and stays to the end of
    the video where there is none. After one that is not enabled it is gone until the next.
    """
    until = np.r_[frames[1:], max(last, int(frames[-1]))]
    stretches = [
        np.arange(start, end + 1) if moving else np.array([start])
        for start, end, moving in zip(frames, until, enabled, strict=True)
    ]
    seen = np.unique(np.concatenate(stretches)).astype(np.int64)
    where = np.column_stack([np.interp(seen, frames, column) for column in boxes.T])
    return Shown(frames=seen, boxes=where, aspect=aspect)


def track_iou(one: Shown, other: Shown) -> float:
    """The mean IoU over the frames in which either is seen; a frame with one of them counts 0."""
    common, left, right = np.intersect1d(
        one.frames, other.frames, assume_unique=True, return_indices=True
    )
    if not len(common):
        return 0.0
    ours, theirs = one.boxes[left], other.boxes[right]
    if (ours[:, ROTATION] % 360 == 0).all() and (theirs[:, ROTATION] % 360 == 0).all():
        iou = paired_box_iou(_edges(ours), _edges(theirs))
    else:
        iou = _turned_iou(_areas(ours, one.aspect), _areas(theirs, other.aspect))
    seen = len(one.frames) + len(other.frames) - len(common)
    return float(iou.sum()) / seen


def tracks_iou(tracks: Sequence[Shown]) -> Similarity:
    """``track_iou`` of any two tracks."""

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        pairs = zip(left, right, strict=True)
        found = (track_iou(tracks[one], tracks[other]) for one, other in pairs)
        return np.fromiter(found, dtype=np.float64, count=len(left))

    return similarity


def _edges(boxes: FloatArray) -> FloatArray:
    x, y, width, height = boxes[:, :ROTATION].T
    return np.column_stack([x, y, x + width, y + height])


def _areas(boxes: FloatArray, aspect: float) -> FloatArray:
    """The rectangles as polygons, turned in pixels and given in per cent."""
    x, y, width, height, rotation = boxes.T
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    zero = np.zeros_like(x)
    corners = []
    for right, down in ((zero, zero), (width, zero), (width, height), (zero, height)):
        across = (right * aspect * cosine - down * sine) / aspect
        corners.append(np.column_stack([x + across, y + right * aspect * sine + down * cosine]))
    polygons: FloatArray = shapely.polygons(np.stack(corners, axis=1))
    return polygons


def _turned_iou(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    common = shapely.area(shapely.intersection(ours, theirs))
    covered = shapely.area(ours) + shapely.area(theirs) - common
    iou = np.divide(common, covered, out=np.zeros(len(common)), where=covered > 0)
    rounded: FloatArray = np.clip(iou, 0.0, 1.0)
    return rounded
