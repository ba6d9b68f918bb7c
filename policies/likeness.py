"""When two answers that are not the same text still say the same: numbers, spans, boxes. Pure.

Everything else compares answers as texts. An answer that is alike one that stands takes its text
(see ADR 0016), so this is asked once, where an answer comes in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
import shapely
from pydantic import Field
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from shapely import Geometry, affinity
from shapely.errors import ShapelyError

from policies.answer_texts import controls_of, spans_of
from policies.domain import BoolArray, ObjectArray
from policies.sections import Section


class SameAnswer(Section):
    """How far two answers may lie apart and still count as the same."""

    tolerance: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Of numbers: they may differ by so much."
    )
    iou: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="Of boxes, polygons, ellipses and stretches of time: each has one of the same "
        "name whose intersection over union with it is at least so much.",
    )
    spans: Literal["exact", "overlap"] = Field(
        default="exact", description="Of marked texts: the same ends, or one character in common."
    )


class Compared(StrEnum):
    """How answers to a control are compared; ``EXACTLY`` as texts."""

    EXACTLY = "exactly"
    NUMBERS = "numbers"
    SPANS = "spans"
    REGIONS = "regions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """When answers to a project's controls are alike.

    ``controls`` has one entry for each control by its name. Where there are several, answers are
    texts by control, and are alike where all of them are.
    """

    controls: Mapping[str, Compared]
    rule: SameAnswer

    @property
    def is_plain(self) -> bool:
        """Whether nothing but equal texts are alike."""
        return all(self._only_equal(each) for each in self.controls.values())

    def alike(self, one: str, other: str) -> bool:
        """Whether two answers count as the same. A text that is no answer is like itself alone."""
        if one == other:
            return True
        try:
            if len(self.controls) == 1:
                return self._alike(next(iter(self.controls.values())), one, other)
            return self._all_alike(controls_of(one), controls_of(other))
        except (ValueError, TypeError, KeyError, AttributeError, ShapelyError):
            return False

    def anchored(self, said: str, standing: Iterable[str]) -> str:
        """The first of the standing answers that this one is alike, or itself."""
        if self.is_plain:
            return said
        return next((each for each in standing if self.alike(said, each)), said)

    def _all_alike(self, one: Mapping[str, str | None], other: Mapping[str, str | None]) -> bool:
        return one.keys() == other.keys() and all(
            self._both_alike(self.controls.get(name, Compared.EXACTLY), said, other[name])
            for name, said in one.items()
        )

    def _both_alike(self, compared: Compared, one: str | None, other: str | None) -> bool:
        if one is None or other is None or one == other:
            return one == other
        return self._alike(compared, one, other)

    def _alike(self, compared: Compared, one: str, other: str) -> bool:
        match compared:
            case Compared.EXACTLY:
                return one == other
            case Compared.NUMBERS:
                return abs(float(one) - float(other)) <= self.rule.tolerance
            case Compared.SPANS:
                return self.rule.spans == "overlap" and _paired(_overlapping(one, other))
            case Compared.REGIONS:
                return _paired(_covering(json.loads(one), json.loads(other), self.rule.iou))

    def _only_equal(self, compared: Compared) -> bool:
        match compared:
            case Compared.EXACTLY:
                return True
            case Compared.NUMBERS:
                return self.rule.tolerance == 0
            case Compared.SPANS:
                return self.rule.spans == "exact"
            case Compared.REGIONS:
                return False


def aligned(said: ObjectArray, truths: ObjectArray, likeness: Likeness) -> ObjectArray:
    """What was said, with the truth's text wherever the two are alike; None stays None."""
    made = said.copy()
    if likeness.is_plain:
        return made
    for place, (one, other) in enumerate(zip(said.tolist(), truths.tolist(), strict=True)):
        if one is not None and other is not None and likeness.alike(one, other):
            made[place] = other
    return made


def _paired(alike: BoolArray) -> bool:
    """Whether every row can be given a column of its own, with none left over."""
    rows, columns = alike.shape
    if rows != columns:
        return False
    matched = maximum_bipartite_matching(csr_array(alike), perm_type="column")
    return bool((matched >= 0).all())


def _overlapping(one: str, other: str) -> BoolArray:
    left, right = spans_of(one), spans_of(other)
    found = [[a[2] == b[2] and max(a[0], b[0]) < min(a[1], b[1]) for b in right] for a in left]
    return np.array(found, np.bool_).reshape(len(left), len(right))


def _covering(one: Sequence[Any], other: Sequence[Any], least: float) -> BoolArray:
    """Which regions have the same type and names, and cover enough of each other."""
    found = [[_covers(a, b, least) for b in other] for a in one]
    return np.array(found, np.bool_).reshape(len(one), len(other))


def _covers(one: Mapping[str, Any], other: Mapping[str, Any], least: float) -> bool:
    if one.get("type") != other.get("type") or _name(one) != _name(other):
        return False
    if one["value"] == other["value"]:
        return True
    size = _size(one) or _size(other) or (100.0, 100.0)
    shapes = _shape(one["value"], size), _shape(other["value"], size)
    if shapes[0] is None or shapes[1] is None:
        return False
    inside = shapely.intersection(*shapes)
    extent = shapely.area if shapely.get_dimensions(shapes[0]) == 2 else shapely.length
    shared = extent(inside)
    union = extent(shapes[0]) + extent(shapes[1]) - shared
    return bool(union > 0 and shared / union >= least)


def _name(region: Mapping[str, Any]) -> Any:
    """Everything of a value that says what it is, not where."""
    return {
        key: each
        for key, each in region["value"].items()
        if isinstance(each, list) and all(isinstance(label, str) for label in each)
    }


def _size(region: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = region.get("original_width"), region.get("original_height")
    return (float(width), float(height)) if width and height else None


def _shape(value: Mapping[str, Any], size: tuple[float, float]) -> Geometry | None:
    """Where a region is, in pixels or seconds; None for what can be compared as texts alone.

    Places are in percent of the image, and turned in its pixels: about a box's upper left corner,
    about an ellipse's centre.
    """
    across, down = size[0] / 100, size[1] / 100
    turned = float(value.get("rotation", 0))
    match value:
        case {"x": x, "y": y, "width": width, "height": height}:
            left, top = x * across, y * down
            box = shapely.box(left, top, left + width * across, top + height * down)
            return affinity.rotate(box, turned, origin=(left, top))
        case {"x": x, "y": y, "radiusX": wide, "radiusY": high}:
            circle = shapely.Point(x * across, y * down).buffer(1, quad_segs=32)
            return affinity.rotate(affinity.scale(circle, wide * across, high * down), turned)
        case {"points": [_, _, _, *_] as points}:
            corners = [(x * across, y * down) for x, y in points]
            return shapely.make_valid(shapely.Polygon(corners))
        case {"globalOffsets": {"start": start, "end": end}} | {"start": start, "end": end}:
            return _stretch(start, end)
    return None


def _stretch(start: Any, end: Any) -> Geometry | None:
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in (start, end)):
        return None
    return shapely.LineString([(float(start), 0.0), (float(end), 0.0)])
