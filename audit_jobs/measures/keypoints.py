"""Key points: the same where they are near enough."""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.matching import Similarity
from policies.domain import FloatArray, IntArray

# Share of the image's diagonal beyond which two points have nothing to do with each other.
TOLERANCE = 0.05


def nearness(points: FloatArray, tolerance: float = TOLERANCE) -> Similarity:
    """1 for the same point, falling evenly to 0 at ``tolerance``; points are rows of x and y.

    >>> similarity = nearness(np.array([[0.1, 0.1], [0.1, 0.11]]))
    >>> similarity(np.array([0]), np.array([1])).round(6).tolist()
    [0.8]
    """

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        gaps = np.hypot(*(points[left] - points[right]).T)
        near: FloatArray = np.maximum(0.0, 1.0 - gaps / tolerance)
        return near

    return similarity
