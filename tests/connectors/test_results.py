"""The result of an annotation: every control tag is read, and what is wrong is said, not raised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from label_studio_sdk.converter.brush import mask2rle

from connectors.answers import (
    Attribute,
    Box,
    Interval,
    Kind,
    Mask,
    Outline,
    Point,
    Ranking,
    Region,
    Span,
    Track,
)
from connectors.label_studio.results import RELATIONS, Name, Result, parse_result

NAN = float("nan")


def item(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "r1", "from_name": "c", "to_name": "o", "type": kind, "value": value} | more


def on_image(
    kind: str, value: dict[str, Any], width: int = 200, height: int = 100
) -> dict[str, Any]:
    return item(kind, value, original_width=width, original_height=height)


def only(*items: dict[str, Any]) -> tuple[Name, Any]:
    result = parse_result(list(items))
    assert result.problems == []
    [(name, value)] = result.values.items()
    assert name.control == "c"
    return name, value


def shape_of(*items: dict[str, Any]) -> Any:
    name, regions = only(*items)
    assert name.kind is Kind.REGIONS
    [region] = regions
    return region.shape


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("choices", {"choices": ["b", "a"]}, ("a", "b")),
        ("choices", {"choices": [["animal", "dog"]]}, ("animal / dog",)),
        ("taxonomy", {"taxonomy": [["Food", "Fruit"], ["Food"]]}, (("Food",), ("Food", "Fruit"))),
        ("rating", {"rating": 4}, 4.0),
        ("number", {"number": -2.5}, -2.5),
        ("datetime", {"datetime": "1970-01-02"}, 86400.0),
        ("datetime", {"datetime": "1970-01-01T01:00:00+01:00"}, 0.0),
        ("textarea", {"text": ["one", "two"]}, "one\ntwo"),
        ("textarea", {"text": "one"}, "one"),
        ("pairwise", {"selected": "left"}, "left"),
        ("ranker", {"ranker": {"rank": ["d2", "d1"]}}, Ranking(columns=(("rank", ("d2", "d1")),))),
        (
            "ranker",
            {"ranker": {"best": ["d1"], "_": []}},
            Ranking(columns=(("best", ("d1",)), ("_", ()))),
        ),
        ("ranker", {"ranker": ["d1"]}, Ranking(columns=(("", ("d1",)),))),
    ],
)
def test_answers_about_the_task(kind: str, value: dict[str, Any], expected: Any) -> None:
    name, found = only(item(kind, value))
    assert found == expected
    assert not name.per_region


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("labels", {"start": 2, "end": 5, "text": "abc", "labels": ["A"]}, Span(start=2, end=5)),
        (
            "hypertextlabels",
            {
                "start": "/p[1]/text()[1]",
                "end": "/p[2]/text()[1]",
                "startOffset": 1,
                "endOffset": 2,
                "globalOffsets": {"start": 7, "end": 30},
            },
            Span(start=7, end=30),
        ),
        (
            "hypertextlabels",
            {"start": "/p[1]", "end": "/p[1]", "startOffset": 1, "endOffset": 4},
            Span(start=1, end=4, container="/p[1]"),
        ),
        (
            "paragraphlabels",
            {"start": "3", "end": "3", "startOffset": 0, "endOffset": 4},
            Span(start=0, end=4, container="3"),
        ),
        (
            "labels",
            {"start": 0.5, "end": 2.5, "channel": 1},
            Interval(start=0.5, end=2.5, container="1"),
        ),
        ("labels", {"start": 0.5, "end": 2.5}, Interval(start=0.5, end=2.5)),
        (
            "timeserieslabels",
            {"start": 10, "end": 12, "instant": False},
            Interval(start=10, end=12),
        ),
        ("timeserieslabels", {"start": 10, "end": 10, "instant": True}, Interval(start=10, end=10)),
        (
            "timeserieslabels",
            {"start": "1970-01-01 00:01:00", "end": "1970-01-01 00:02:00"},
            Interval(start=60, end=120),
        ),
        ("timelinelabels", {"ranges": [{"start": 3, "end": 5}]}, Interval(start=3, end=6)),
        (
            "rectanglelabels",
            {"x": 10, "y": 20, "width": 30, "height": 5, "rotation": 0},
            Box(left=10, top=20, right=40, bottom=25),
        ),
        (
            "polygonlabels",
            {"points": [[0, 0], [1, 0], [0, 1]]},
            Outline(points=((0, 0), (1, 0), (0, 1))),
        ),
    ],
)
def test_regions(kind: str, value: dict[str, Any], expected: Any) -> None:
    assert shape_of(item(kind, value)) == expected


def test_audio_regions_with_whole_seconds_are_intervals() -> None:
    found = shape_of(item("labels", {"start": 0, "end": 2}, original_length=9.5))
    assert found == Interval(start=0, end=2)


def test_a_timeline_region_has_a_region_for_each_range() -> None:
    ranges = [{"start": 1, "end": 1}, {"start": 7, "end": 9}]
    _, regions = only(item("timelinelabels", {"ranges": ranges, "timelinelabels": ["B"]}))
    assert regions == (
        Region(shape=Interval(start=1, end=2), labels=("B",)),
        Region(shape=Interval(start=7, end=10), labels=("B",)),
    )


def test_a_rectangle_is_turned_in_pixels_about_its_top_left_corner() -> None:
    value = {"x": 50, "y": 10, "width": 20, "height": 30, "rotation": 90}
    found = shape_of(on_image("rectanglelabels", value))
    # 40 x 30 pixels at (100, 10) of 200 x 100: turned clockwise it goes 40 down and 30 left.
    expected = [(50, 10), (50, 50), (35, 50), (35, 10)]
    assert np.allclose(found.points, expected)


def test_an_ellipse_has_the_area_and_the_size_of_its_radii() -> None:
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 90}
    found = shapely.Polygon(shape_of(on_image("ellipselabels", value)).points)
    # In pixels 40 x 10; upright it is 10 x 40 pixels: 5 % and 40 %.
    assert found.area == pytest.approx(math.pi * 20 * 10, rel=5e-4)
    assert found.bounds == pytest.approx((45, 10, 55, 90))


def test_key_points_are_measured_in_diagonals() -> None:
    found = shape_of(on_image("keypointlabels", {"x": 100, "y": 0, "width": 0.5}, 300, 400))
    assert found == Point(x=0.6, y=0.0)


def test_brush_strokes_are_runs_of_pixels() -> None:
    mask = np.array([[0, 255, 255], [255, 0, 0]], dtype=np.uint8)
    rle = mask2rle(mask)  # type: ignore[no-untyped-call] # as it is published
    value = {"format": "rle", "rle": rle, "brushlabels": ["Sky"]}
    found = shape_of(on_image("brushlabels", value, 3, 2))
    assert isinstance(found, Mask)
    assert (found.width, found.height, found.runs.tolist()) == (3, 2, [[1, 4]])


def test_a_video_rectangle_keeps_its_key_frames_in_order() -> None:
    frame = {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0, "time": 0.1}
    sequence = [frame | {"frame": 9, "enabled": False}, frame | {"frame": 4, "enabled": True}]
    value = {"sequence": sequence, "framesCount": 20, "labels": ["Car"]}
    name, [region] = only(item("videorectangle", value))
    assert region.labels == ("Car",)
    assert isinstance(region.shape, Track)
    assert [(each.frame, each.enabled) for each in region.shape.keyframes] == [
        (4, True),
        (9, False),
    ]
    assert (region.shape.frames, name.type) == (20, "videorectangle")


def test_answers_with_the_id_of_a_region_are_its_attributes() -> None:
    region = item("rectanglelabels", {"x": 0, "y": 0, "width": 9, "height": 9}, from_name="box")
    result = parse_result([item("choices", {"choices": ["old"]}), region])
    [attribute] = result.values[
        Name(control="c", type="choices", kind=Kind.CHOICES, per_region=True)
    ]
    box = Region(shape=Box(left=0, top=0, right=9, bottom=9))
    assert attribute == Attribute(region=box, value=("old",))


def test_an_attribute_may_carry_its_own_place() -> None:
    name, [attribute] = only(item("textarea", {"text": ["hello"], "start": 1.5, "end": 2.0}))
    assert name.per_region
    assert attribute == Attribute(region=Region(shape=Interval(start=1.5, end=2)), value="hello")


def test_relations_point_from_their_source() -> None:
    first = item("labels", {"start": 0, "end": 1, "text": "a"})
    second = item("labels", {"start": 2, "end": 3, "text": "b"}) | {"id": "r2"}
    arrow = {
        "type": "relation",
        "from_id": "r1",
        "to_id": "r2",
        "direction": "left",
        "labels": ["of"],
    }
    result = parse_result([first, second, arrow, arrow | {"direction": "bi", "labels": None}])
    left, both = result.values[Name(control=RELATIONS, type="relation", kind=Kind.RELATIONS)]
    assert (left.source.shape, left.target.shape) == (Span(start=2, end=3), Span(start=0, end=1))
    assert (left.labels, left.directed, both.directed) == (("of",), True, False)


@pytest.mark.parametrize("kind", ["vectorlabels", "bitmasklabels", "chatmessage", "reactcode"])
def test_a_control_without_a_measure_keeps_its_name(kind: str) -> None:
    name, _ = only(item(kind, {"vertices": []}))
    assert (name.type, name.kind) == (kind, Kind.UNMEASURED)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (
            "labels",
            {"start": 3, "end": 3, "text": ""},
            "starts and ends at character 3; it is left out",
        ),
        ("labels", {"start": 0.5, "end": 0.5}, "starts and ends at 0.5; it is left out"),
        (
            "rectanglelabels",
            {"x": 0, "y": 0, "width": 0, "height": 5},
            "width is 0 and its height 5",
        ),
        ("ellipselabels", {"x": 0, "y": 0, "radiusX": 1, "radiusY": 0}, "radii are 1 and 0"),
        ("polygonlabels", {"points": [[0, 0], [1, 1]]}, "2 points; an area needs three"),
        ("polygonlabels", {"points": [[0, 0], [1, 1], [2, 2]]}, "enclose no area"),
        ("videorectangle", {"sequence": []}, "no key frame"),
        ("timelinelabels", {"ranges": []}, "no range"),
    ],
)
def test_regions_that_cover_nothing_are_left_out(
    kind: str, value: dict[str, Any], message: str
) -> None:
    result = parse_result([item(kind, value)])
    [(name, found)] = result.values.items()
    assert (found, result.unreadable) == ((), set())
    [(control, problem)] = result.problems
    assert control == name.control
    assert message in problem


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (
            "rectanglelabels",
            {"x": NAN, "y": 0, "width": 1, "height": 1},
            "its x is nan, not a finite",
        ),
        (
            "rectanglelabels",
            {"x": "NaN", "y": 0, "width": 1, "height": 1},
            "its x is nan, not a finite",
        ),
        ("rectanglelabels", {"x": 1, "y": None, "width": 1, "height": 1}, "its y is None"),
        ("rectanglelabels", {"x": True, "y": 0, "width": 1, "height": 1}, "its x is True"),
        ("polygonlabels", {"points": [[0, 0], [1, NAN], [2, 2]]}, "its point is nan"),
        ("polygonlabels", {"points": [[0, 0], [1], [2, 2]]}, r"is [1], not [x, y]"),
        ("polygonlabels", {"points": 7}, "its points are int"),
        ("keypointlabels", {"x": 1, "y": math.inf}, "its y is inf"),
        ("labels", {"start": 5, "end": 2, "text": "a"}, "from character 5 to 2"),
        ("labels", {"start": -1, "end": 2, "text": "a"}, "from character -1 to 2"),
        ("labels", {"start": 2.5, "end": 1.5}, "ends at 1.5, before its start at 2.5"),
        (
            "timeserieslabels",
            {"start": "soon", "end": 2},
            "its start is 'soon', no number and no time",
        ),
        (
            "hypertextlabels",
            {"start": "/p[1]", "end": "/p[2]", "startOffset": 0},
            "no globalOffsets",
        ),
        ("labels", {"start": 0, "end": 1, "labels": "A"}, "its labels are str"),
        ("brushlabels", {"rle": [0, 0]}, "does not say original_width"),
        ("videorectangle", {"sequence": [7]}, "key frame of it is int"),
        ("timelinelabels", {"ranges": [7]}, "a range of it is no object"),
        ("choices", {"choices": None}, "its choices is None"),
        ("taxonomy", {"taxonomy": ["Food"]}, "not a list of paths"),
        ("rating", {"rating": "4"}, "its rating is '4'"),
        ("number", {"number": NAN}, "its number is nan"),
        ("datetime", {"datetime": "tomorrow"}, "'tomorrow', not a date"),
        ("pairwise", {"selected": None}, "not a side"),
        ("ranker", {"ranker": {"a": "b"}}, "not lists of items"),
    ],
)
def test_answers_that_cannot_be_read_are_unknown(
    kind: str, value: dict[str, Any], message: str
) -> None:
    result = parse_result([item(kind, value)])
    [unreadable] = result.unreadable
    assert (unreadable.control, unreadable.type) == ("c", kind)
    [(control, problem)] = result.problems
    assert control == "c"
    assert message in problem


def test_a_polygon_that_crosses_itself_counts_and_is_told_of() -> None:
    result = parse_result([item("polygonlabels", {"points": [[0, 0], [4, 4], [4, 0], [0, 4]]})])
    assert [len(regions) for regions in result.values.values()] == [1]
    assert result.problems == [("c", "region r1: its outline crosses itself and was repaired")]


def test_broken_brush_strokes_are_unknown() -> None:
    result = parse_result([on_image("brushlabels", {"rle": [0, 0, 3, 32]}, 20, 10)])
    assert len(result.unreadable) == 1
    assert result.problems == [("c", "region r1: its rle breaks off after 4 bytes")]


def test_a_relation_to_a_region_that_cannot_be_read_is_unknown() -> None:
    arrow = {"type": "relation", "from_id": "r1", "to_id": "gone", "direction": "right"}
    result = parse_result([item("labels", {"start": 0, "end": 1, "text": "a"}), arrow])
    assert [name.kind for name in result.unreadable] == [Kind.RELATIONS]
    assert result.problems == [(RELATIONS, "it points to region gone, which cannot be read")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "frame", "start", "end"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "x",
        "y",
        "width",
        "height",
        "rotation",
        "start",
        "end",
        "startOffset",
        "endOffset",
        "globalOffsets",
        "text",
        "channel",
        "instant",
        "points",
        "rle",
        "radiusX",
        "radiusY",
        "sequence",
        "framesCount",
        "ranges",
        "labels",
        "choices",
        "taxonomy",
        "rating",
        "number",
        "datetime",
        "selected",
        "ranker",
    ]
)
TYPES = st.sampled_from(
    [
        "labels",
        "hypertextlabels",
        "paragraphlabels",
        "timeserieslabels",
        "timelinelabels",
        "rectanglelabels",
        "brush",
        "ellipselabels",
        "polygonlabels",
        "keypointlabels",
        "brushlabels",
        "videorectangle",
        "choices",
        "taxonomy",
        "rating",
        "number",
        "datetime",
        "textarea",
        "pairwise",
        "ranker",
        "relation",
        "vectorlabels",
        "odd",
    ]
)
ITEMS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b"]),
        "from_name": st.just("c"),
        "type": TYPES,
        "value": st.dictionaries(KEYS, JSON, max_size=6),
    },
    optional={
        "original_width": st.integers(0, 4),
        "original_height": st.integers(0, 4),
        "from_id": st.just("a"),
        "to_id": st.sampled_from(["a", "b"]),
        "direction": JSON,
        "labels": JSON,
    },
)


@given(st.lists(ITEMS | JSON, max_size=4))
def test_no_result_breaks_the_reader(items: list[Any]) -> None:
    result = parse_result(items)
    assert isinstance(result, Result)
    for name, value in result.values.items():
        if name.kind is Kind.REGIONS:
            assert all(isinstance(region, Region) for region in value)


@pytest.mark.parametrize(
    "found",
    [
        item("number", {"number": 10**400}),
        on_image("keypointlabels", {"x": 10**400, "y": 1, "width": 1}),
    ],
)
def test_a_number_that_no_float_holds_is_said(found: dict[str, Any]) -> None:
    [(_, problem)] = parse_result([found]).problems
    assert "not a finite number" in problem


def test_an_image_longer_than_any_has_no_size() -> None:
    found = on_image("keypointlabels", {"x": 50, "y": 50, "width": 1}, width=10**400, height=1)
    result = parse_result([found])
    assert result.problems == []
    assert result.sizes == {}


def test_a_direction_that_is_no_text_is_none() -> None:
    ends = [
        on_image("keypointlabels", {"x": 5, "y": 5, "width": 1}) | {"id": each} for each in "ab"
    ]
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": []}
    result = parse_result([*ends, relation])
    assert result.problems == []
    [found] = result.values[Name(control=RELATIONS, type="relation", kind=Kind.RELATIONS)]
    assert not found.directed
