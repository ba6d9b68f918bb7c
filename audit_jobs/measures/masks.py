"""Painted masks, kept as runs of pixels: areas of overlap without ever unfolding an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from audit_jobs.measures.matching import Similarity
from policies.domain import FloatArray, IntArray


def painted(runs: IntArray) -> int:
    """How many pixels sorted runs ``[start, end)`` cover."""
    return int((runs[:, 1] - runs[:, 0]).sum())


def union(several: Iterable[IntArray]) -> IntArray:
    """The runs that any of several masks covers.

    >>> union([np.array([[0, 4]]), np.array([[2, 6], [9, 10]])]).tolist()
    [[0, 6], [9, 10]]
    """
    every = np.concatenate([*several, np.empty((0, 2), dtype=np.int64)])
    if not len(every):
        return every
    every = every[np.argsort(every[:, 0], kind="stable")]
    reached = np.maximum.accumulate(every[:, 1])
    fresh = np.r_[True, every[1:, 0] > reached[:-1]]
    firsts = np.flatnonzero(fresh)
    return np.column_stack([every[firsts, 0], reached[np.r_[firsts[1:] - 1, len(every) - 1]]])


def shared(one: IntArray, other: IntArray) -> int:
    """How many pixels two masks share.

    >>> shared(np.array([[0, 4]]), np.array([[2, 6]]))
    2
    """
    return painted(one) + painted(other) - painted(union([one, other]))


def dice(one: IntArray, other: IntArray) -> float:
    """Twice the shared pixels by all pixels of both; 1 where both are empty."""
    total = painted(one) + painted(other)
    return 1.0 if total == 0 else 2 * shared(one, other) / total


def mask_iou(masks: Sequence[IntArray], images: Sequence[tuple[int, int]]) -> Similarity:
    """IoU of any two masks; NaN where their ``images`` have different sizes."""
    sizes = np.array([painted(runs) for runs in masks], dtype=np.int64)
    names = {size: code for code, size in enumerate(dict.fromkeys(images))}
    size_codes = np.array([names[size] for size in images], dtype=np.int64)

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        common = np.fromiter(
            (shared(masks[one], masks[other]) for one, other in zip(left, right, strict=True)),
            dtype=np.float64,
            count=len(left),
        )
        covered = sizes[left] + sizes[right] - common
        iou = np.divide(common, covered, out=np.zeros(len(left)), where=covered > 0)
        return np.where(size_codes[left] == size_codes[right], iou, np.nan)

    return similarity
