"""Rectangles along the axes: intersection over union, for a million pairs in one call."""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.matching import Similarity
from policies.domain import FloatArray, IntArray


def paired_box_iou(left: FloatArray, right: FloatArray) -> FloatArray:
    """IoU of each row with the same row; rows are left, top, right, bottom.

    >>> paired_box_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3).tolist()
    [0.333]
    """
    wide = np.minimum(left[:, 2], right[:, 2]) - np.maximum(left[:, 0], right[:, 0])
    high = np.minimum(left[:, 3], right[:, 3]) - np.maximum(left[:, 1], right[:, 1])
    shared = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    return _divided(shared, _areas(left) + _areas(right) - shared)


def box_iou(boxes: FloatArray) -> Similarity:
    """IoU of any two rows."""
    columns = np.ascontiguousarray(boxes.T)
    areas = _areas(boxes)

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        wide = np.minimum(columns[2][left], columns[2][right])
        wide -= np.maximum(columns[0][left], columns[0][right])
        high = np.minimum(columns[3][left], columns[3][right])
        high -= np.maximum(columns[1][left], columns[1][right])
        shared = np.where((wide > 0) & (high > 0), wide * high, 0.0)
        return _divided(shared, areas[left] + areas[right] - shared)

    return similarity


def _divided(shared: FloatArray, union: FloatArray) -> FloatArray:
    iou: FloatArray = np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)
    return iou


def _areas(boxes: FloatArray) -> FloatArray:
    areas: FloatArray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
