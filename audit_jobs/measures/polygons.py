"""Polygons, ellipses and rotated rectangles: intersection over union of exact areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from audit_jobs.measures.boxes import box_iou
from audit_jobs.measures.matching import Similarity
from policies.domain import FloatArray, IntArray, ObjectArray

Corners = Sequence[tuple[float, float]]


def areas_of(outlines: Sequence[Corners]) -> ObjectArray:
    """The areas that outlines enclose; one that crosses itself is repaired by ``make_valid``."""
    found = np.empty(len(outlines), object)
    for place, corners in enumerate(outlines):
        found[place] = shapely.Polygon(corners)
    broken = ~shapely.is_valid(found)
    found[broken] = shapely.make_valid(found[broken])
    return found


def area_iou(areas: ObjectArray) -> Similarity:
    """IoU of any two areas; those whose rectangles stay apart are never cut with each other."""
    bounds = box_iou(shapely.bounds(areas).reshape(-1, 4))
    sizes = shapely.area(areas)

    def similarity(left: IntArray, right: IntArray) -> FloatArray:
        found = bounds(left, right)
        near = np.flatnonzero(found > 0)
        one, other = left[near], right[near]
        shared = shapely.area(shapely.intersection(areas[one], areas[other]))
        union = sizes[one] + sizes[other] - shared
        found[near] = np.divide(shared, union, out=np.zeros(len(near)), where=union > 0)
        return np.clip(found, 0.0, 1.0)

    return similarity
