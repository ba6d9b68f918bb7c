"""The regions of a result: Label Studio's JSON of one item -> shapes. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import shapely

from connectors.answers import (
    Box,
    Interval,
    Keyframe,
    Mask,
    Outline,
    Point,
    Region,
    Shape,
    Span,
    Track,
)
from connectors.label_studio.brush import BrushError, painted_runs
from connectors.label_studio.result_values import finite

# Corners that stand for an ellipse: its area is then 0.04 % too small, on both sides alike.
ELLIPSE_CORNERS = 128
# No image is longer, in pixels; what says so says nothing.
_LONGEST_SIDE = 2**31
# A day of video at 60 frames a second is 5,184,000.
MAX_FRAMES = 10_000_000
_TEXT_TYPES = frozenset({"hypertextlabels", "hypertext", "paragraphlabels", "paragraphs"})
_PLACES = ("ranges", "sequence", "rle", "points", "radiusX", "x", "start")


class RegionError(ValueError):
    """A region that cannot be read: what its annotator answered is unknown."""


class EmptyRegionError(RegionError):
    """A region that covers nothing: it is left out, the annotation's other regions count."""


def has_place(value: dict[str, Any]) -> bool:
    """Whether a value says where something is."""
    return any(key in value for key in _PLACES)


def labels_of(item: dict[str, Any]) -> tuple[str, ...]:
    """What a region is called, sorted; () for a region without a label."""
    value = item["value"]
    labels = value.get(item["type"], value.get("labels"))
    if labels is None:
        return ()
    if not isinstance(labels, list):
        raise RegionError(f"its labels are {type(labels).__name__}, not a list")
    return tuple(sorted({str(label) for label in labels}))


def regions_of(item: dict[str, Any]) -> tuple[tuple[Region, ...], str | None]:
    """The regions of one item (several only for a timeline), and what was mended about them.

    Raises ``RegionError`` for what cannot be read, ``EmptyRegionError`` for what covers nothing.
    """
    labels = labels_of(item)
    shapes, mended = _shapes(item)
    return tuple(Region(shape=shape, labels=labels) for shape in shapes), mended


def _shapes(item: dict[str, Any]) -> tuple[tuple[Shape, ...], str | None]:
    value = item["value"]
    if "ranges" in value:
        return _timeline(value), None
    if "points" in value:
        return _polygon(value)
    single = {
        "sequence": _track,
        "rle": _mask,
        "radiusX": _ellipse,
        "x": _rectangle if "height" in value else _point,
        "start": _stretch,
    }
    for key, read in single.items():
        if key in value:
            return (read(item),), None
    known = ", ".join(sorted(value)) or "nothing"
    raise RegionError(f"its value says nowhere where it is: {known}")


def _number(value: dict[str, Any], key: str) -> float:
    found = value.get(key)
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            found = value[key]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise RegionError(f"its {key} is {found!r}, not a number")
    number = finite(found)
    if number is None:
        raise RegionError(f"its {key} is {str(found)[:40]}, not a finite number")
    return number


def image_size(item: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height of the image in pixels, None where the item does not say them."""
    width, height = item.get("original_width"), item.get("original_height")
    if not isinstance(width, int) or not isinstance(height, int):
        return None
    if 0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE:
        return width, height
    return None


def _aspect(item: dict[str, Any]) -> float:
    width, height = image_size(item) or (1, 1)
    return width / height


def _point(item: dict[str, Any]) -> Point:
    width, height = image_size(item) or (1, 1)
    diagonal = math.hypot(width, height)
    value = item["value"]
    return Point(
        x=_number(value, "x") / 100 * width / diagonal,
        y=_number(value, "y") / 100 * height / diagonal,
    )


def _rectangle(item: dict[str, Any]) -> Box | Outline:
    value = item["value"]
    left, top, width, height = (_number(value, key) for key in ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        raise EmptyRegionError(f"its width is {width:g} and its height {height:g}")
    rotation = _number(value, "rotation") if value.get("rotation") else 0.0
    if rotation % 360 == 0:
        return Box(left=left, top=top, right=left + width, bottom=top + height)
    return Outline(points=turned_corners(left, top, (width, height), rotation, _aspect(item)))


def turned_corners(
    left: float, top: float, size: tuple[float, float], rotation: float, aspect: float
) -> tuple[tuple[float, float], ...]:
    """The corners of a rectangle turned clockwise about its top left one, in per cent.

    It is turned in pixels, where ``aspect`` is the image's width by its height.
    """
    corners = ((0.0, 0.0), (size[0], 0.0), size, (0.0, size[1]))
    return tuple(_turned(left, top, corner, rotation, aspect) for corner in corners)


def _turned(
    x: float, y: float, offset: tuple[float, float], rotation: float, aspect: float
) -> tuple[float, float]:
    cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    right, down = offset[0] * aspect, offset[1]
    return x + (right * cosine - down * sine) / aspect, y + right * sine + down * cosine


def _ellipse(item: dict[str, Any]) -> Outline:
    value = item["value"]
    x, y, wide, high = (_number(value, key) for key in ("x", "y", "radiusX", "radiusY"))
    if wide <= 0 or high <= 0:
        raise EmptyRegionError(f"its radii are {wide:g} and {high:g}")
    rotation = _number(value, "rotation") if value.get("rotation") else 0.0
    turns = (2 * math.pi * step / ELLIPSE_CORNERS for step in range(ELLIPSE_CORNERS))
    offsets = ((wide * math.cos(turn), high * math.sin(turn)) for turn in turns)
    aspect = _aspect(item)
    return Outline(points=tuple(_turned(x, y, offset, rotation, aspect) for offset in offsets))


def _polygon(value: dict[str, Any]) -> tuple[tuple[Outline], str | None]:
    points = value["points"]
    if not isinstance(points, list):
        raise RegionError(f"its points are {type(points).__name__}, not a list")
    if len(points) < 3:
        raise EmptyRegionError(f"it has {len(points)} points; an area needs three")
    corners = tuple(_corner(point) for point in points)
    area = shapely.Polygon(corners)
    crossed = not area.is_valid
    if (shapely.make_valid(area) if crossed else area).area == 0:
        raise EmptyRegionError("its points enclose no area")
    mended = "its outline crosses itself and was repaired" if crossed else None
    return (Outline(points=corners),), mended


def _corner(point: Any) -> tuple[float, float]:
    match point:
        case [x, y]:
            return _number({"point": x}, "point"), _number({"point": y}, "point")
    raise RegionError(f"a point of it is {point!r}, not [x, y]")


def _mask(item: dict[str, Any]) -> Mask:
    size = image_size(item)
    if size is None:
        raise RegionError("it does not say original_width and original_height of its image")
    try:
        runs = painted_runs(item["value"]["rle"], *size)
    except BrushError as error:
        raise RegionError(str(error)) from error
    if not len(runs):
        raise EmptyRegionError("nothing is painted")
    return Mask(width=size[0], height=size[1], runs=runs)


def _track(item: dict[str, Any]) -> Track:
    value = item["value"]
    sequence = value["sequence"]
    if not isinstance(sequence, list) or not sequence:
        raise EmptyRegionError("its sequence has no key frame")
    keyframes = sorted((_keyframe(each) for each in sequence), key=lambda each: each.frame)
    frames = max(keyframes[-1].frame, int(_number({"framesCount": 0} | value, "framesCount")))
    if keyframes[0].frame < 0 or frames > MAX_FRAMES:
        raise RegionError(f"its frames go from {keyframes[0].frame} to {frames}")
    return Track(keyframes=tuple(keyframes), frames=frames, aspect=_aspect(item))


def _keyframe(value: Any) -> Keyframe:
    if not isinstance(value, dict):
        raise RegionError(f"a key frame of it is {type(value).__name__}, not an object")
    width, height = _number(value, "width"), _number(value, "height")
    if width <= 0 or height <= 0:
        raise RegionError(f"in a key frame its width is {width:g} and its height {height:g}")
    return Keyframe(
        frame=int(_number(value, "frame")),
        x=_number(value, "x"),
        y=_number(value, "y"),
        width=width,
        height=height,
        rotation=_number(value, "rotation") if value.get("rotation") else 0.0,
        enabled=bool(value.get("enabled", True)),
    )


def _timeline(value: dict[str, Any]) -> tuple[Interval, ...]:
    ranges = value["ranges"]
    if not isinstance(ranges, list) or not ranges:
        raise EmptyRegionError("it has no range")
    if not all(isinstance(each, dict) for each in ranges):
        raise RegionError("a range of it is no object")
    # Both ends are frames of the range.
    return tuple(_interval(each["start"], _number(each, "end") + 1) for each in map(_both, ranges))


def _both(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"start": _number(value, "start")}


def _interval(start: float, end: float, *, container: str = "", instant: bool = False) -> Interval:
    if end < start:
        raise RegionError(f"it ends at {end:g}, before its start at {start:g}")
    if end == start and not instant:
        raise EmptyRegionError(f"it starts and ends at {start:g}")
    return Interval(start=start, end=end, container=container)


def _stretch(item: dict[str, Any]) -> Span | Interval:
    value = item["value"]
    texts = item["type"] in _TEXT_TYPES or "startOffset" in value or "globalOffsets" in value
    sounds = item["type"] == "timeserieslabels" or "channel" in value or "original_length" in item
    whole = all(type(value.get(key)) is int for key in ("start", "end"))
    if texts or (whole and not sounds):
        return _span(value)
    channel = "" if value.get("channel") is None else str(value["channel"])
    start, end = _time(value, "start"), _time(value, "end")
    return _interval(start, end, container=channel, instant=value.get("instant") is True)


def _time(value: dict[str, Any], key: str) -> float:
    """A number, or the text of a date as a time series may have it."""
    try:
        return _number(value, key)
    except RegionError:
        if not isinstance(value.get(key), str):
            raise
    try:
        found = datetime.fromisoformat(value[key])
    except ValueError:
        raise RegionError(f"its {key} is {value[key]!r}, no number and no time") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _span(value: dict[str, Any]) -> Span:
    container = ""
    offsets = value
    if isinstance(value.get("globalOffsets"), dict):
        offsets = value["globalOffsets"]
    elif "startOffset" in value:
        container = str(value.get("start"))
        if container != str(value.get("end")):
            raise RegionError(
                f"it goes from {container!r} to {value.get('end')!r} and has no globalOffsets"
            )
        offsets = {"start": value["startOffset"], "end": value.get("endOffset")}
    start, end = (_number(offsets, key) for key in ("start", "end"))
    if not start.is_integer() or not end.is_integer() or start < 0 or end < start:
        raise RegionError(f"it goes from character {start:g} to {end:g}")
    if start == end:
        raise EmptyRegionError(f"it starts and ends at character {start:g}")
    return Span(start=int(start), end=int(end), container=container)
