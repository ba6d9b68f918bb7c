"""Stretches along one line: of sound, series and timelines in time, of texts in characters."""

from __future__ import annotations

import numpy as np

from audit_jobs.measures.matching import Similarity
from policies.domain import FloatArray, IntArray


def segment_iou(starts: FloatArray, ends: FloatArray, lines: IntArray) -> Similarity:
    """The length that two stretches share by the length they cover together.

    Stretches of different ``lines`` (channels, paragraphs) share nothing. Two instants are the same
    or they are not: there is no length to divide by.
    """

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        shared = np.minimum(ends[left], ends[right]) - np.maximum(starts[left], starts[right])
        covered = np.maximum(ends[left], ends[right]) - np.minimum(starts[left], starts[right])
        instant = (starts[left] == starts[right]) & (ends[left] == ends[right])
        iou = np.divide(
            np.maximum(shared, 0.0),
            covered,
            out=np.zeros(len(left)),
            where=(covered > 0) & (shared > 0),
        )
        return np.where(lines[left] == lines[right], np.where(instant, 1.0, iou), 0.0)

    return similarity
