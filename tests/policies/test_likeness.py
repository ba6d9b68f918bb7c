import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.answer_texts import controls_text, number_text, regions_text, spans_text
from policies.likeness import Compared, Likeness, SameAnswer, aligned


def likeness(compared: Compared, **rule: object) -> Likeness:
    return Likeness(controls={"c": compared}, rule=SameAnswer.model_validate(rule))


def box(x: float, width: float = 20, name: str = "Car", **more: object) -> dict[str, object]:
    value = {"x": x, "y": 10, "width": width, "height": 10, "rectanglelabels": [name]}
    return {"type": "rectanglelabels", "value": value | more}


def test_without_a_rule_only_equal_texts_are_alike() -> None:
    for compared in (Compared.EXACTLY, Compared.NUMBERS, Compared.SPANS):
        assert likeness(compared).is_plain
        assert not likeness(compared).alike("1", "2")
        assert likeness(compared).anchored("1", ["2"]) == "1"


@pytest.mark.parametrize(("other", "alike"), [("3.5", True), ("2.5", True), ("3.51", False)])
def test_numbers_may_differ_by_the_tolerance(other: str, alike: bool) -> None:  # noqa: FBT001
    assert likeness(Compared.NUMBERS, tolerance=0.5).alike("3", other) is alike


def test_spans_overlap_one_to_one_with_the_same_name() -> None:
    rule = likeness(Compared.SPANS, spans="overlap")
    said = spans_text([(0, 5, "PER"), (10, 15, "LOC")])
    assert rule.alike(said, spans_text([(2, 7, "PER"), (14, 20, "LOC")]))
    assert not rule.alike(said, spans_text([(5, 7, "PER"), (10, 15, "LOC")]))  # they only touch
    assert not rule.alike(said, spans_text([(0, 5, "LOC"), (10, 15, "LOC")]))
    assert not rule.alike(said, spans_text([(0, 15, "PER")]))
    # Each of the two needs a partner of its own: the long one cannot stand for both.
    both = spans_text([(0, 5, "PER"), (6, 9, "PER")])
    assert not rule.alike(both, spans_text([(0, 9, "PER"), (20, 22, "PER")]))
    # A greedy partner for the first would leave the second without one.
    assert rule.alike(
        spans_text([(0, 9, "PER"), (1, 2, "PER")]), spans_text([(0, 3, "PER"), (5, 8, "PER")])
    )
    assert not likeness(Compared.SPANS).alike(said, spans_text([(0, 5, "PER"), (10, 16, "LOC")]))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (box(10), box(15), True),  # 15 of 25 in common: 0.6
        (box(10), box(17), False),  # 13 of 27: 0.48
        (box(10), box(10, name="Dog"), False),
        (box(10, rotation=0), box(10, rotation=90), False),
        (box(10), {**box(10), "type": "ellipselabels"}, False),
        (box(10, width=0), box(10, width=0, rotation=1), False),
    ],
)
def test_boxes_cover_half_of_each_other(
    one: dict[str, object], other: dict[str, object], *, alike: bool
) -> None:
    rule = likeness(Compared.REGIONS)
    assert rule.alike(regions_text([one]), regions_text([other])) is alike
    assert not rule.alike(regions_text([one]), "[]")
    assert rule.alike("[]", "[]")


def test_the_other_shapes_are_compared_by_what_they_cover() -> None:
    rule = likeness(Compared.REGIONS)
    square = [[0, 0], [10, 0], [10, 10], [0, 10]]
    shifted = [[x + 2, y] for x, y in square]
    far = [[x + 8, y] for x, y in square]

    def region(kind: str, **value: object) -> str:
        return regions_text([{"type": kind, "value": value}])

    assert rule.alike(region("polygon", points=square), region("polygon", points=shifted))
    assert not rule.alike(region("polygon", points=square), region("polygon", points=far))
    bow_tie = [[0, 0], [10, 10], [10, 0], [0, 10]]  # crosses itself
    assert not rule.alike(region("polygon", points=square), region("polygon", points=bow_tie[:2]))
    rule.alike(region("polygon", points=square), region("polygon", points=bow_tie))
    circle = {"y": 50, "radiusX": 10, "radiusY": 10}
    assert rule.alike(region("ellipse", x=50, **circle), region("ellipse", x=52, **circle))
    assert not rule.alike(region("ellipse", x=50, **circle), region("ellipse", x=60, **circle))
    assert rule.alike(region("labels", start=0.5, end=2.5), region("labels", start=1, end=3))
    assert not rule.alike(region("labels", start=0, end=1), region("labels", start=1, end=2))
    xpath = {"start": "/p[1]", "end": "/p[1]"}
    assert rule.alike(
        region("hypertextlabels", **xpath, globalOffsets={"start": 0, "end": 10}),
        region("hypertextlabels", **xpath, globalOffsets={"start": 0, "end": 8}),
    )
    point = {"y": 1, "width": 1}
    assert not rule.alike(region("keypoint", x=1, **point), region("keypoint", x=2, **point))
    assert not rule.alike(region("brush", rle=[1, 2]), region("brush", rle=[1, 3]))


def test_an_image_that_is_not_square_turns_in_its_pixels() -> None:
    wide = {"original_width": 2000, "original_height": 1000}
    upright = {"x": 50, "y": 50, "width": 10, "height": 20, "rotation": 0, "rectanglelabels": ["C"]}
    # 200 x 200 pixels: turned by 90 degrees about its corner it lies left of itself.
    turned = {**upright, "x": 60, "rotation": 90}
    one = regions_text([{"type": "rectanglelabels", **wide, "value": upright}])
    other = regions_text([{"type": "rectanglelabels", "value": turned}])
    assert likeness(Compared.REGIONS, iou=0.99).alike(one, other)
    assert likeness(Compared.REGIONS, iou=0.99).alike(other, one)


def test_several_controls_are_alike_where_all_of_them_are() -> None:
    rule = Likeness(
        controls={"a": Compared.NUMBERS, "b": Compared.EXACTLY}, rule=SameAnswer(tolerance=1)
    )
    said = controls_text({"a": "3", "b": "x"})
    assert rule.alike(said, controls_text({"a": "4", "b": "x"}))
    assert not rule.alike(said, controls_text({"a": "4", "b": "y"}))
    assert not rule.alike(said, controls_text({"a": None, "b": "x"}))
    assert not rule.alike(said, controls_text({"a": "3"}))
    assert rule.anchored(said, [controls_text({"a": "9", "b": "x"}), said]) == said


anything = st.text() | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).map(json.dumps)


@given(anything, anything, st.sampled_from(Compared))
def test_a_text_that_is_no_answer_is_like_itself_alone(one: str, other: str, how: Compared) -> None:
    rule = likeness(how, tolerance=1, spans="overlap")
    assert rule.alike(one, one)
    assert rule.alike(one, other) == rule.alike(other, one)


@given(st.lists(st.floats(-10, 10).map(number_text), min_size=1, max_size=20))
def test_aligned_answers_are_the_truths_where_they_are_alike(said: list[str]) -> None:
    rule = likeness(Compared.NUMBERS, tolerance=2)
    column = np.array([*said, None], object)
    truths = np.array([*reversed(said), "3"], object)
    made = aligned(column, truths, rule)
    for one, truth, found in zip(column, truths, made, strict=True):
        near = one is not None and abs(float(one) - float(truth)) <= 2
        assert found == (truth if near else one)
    assert aligned(column, truths, likeness(Compared.NUMBERS)).tolist() == column.tolist()


def test_anchors_do_not_chain() -> None:
    """3 is alike 2 and 4, which are not alike: who comes first decides, and nobody moves again."""
    rule = likeness(Compared.NUMBERS, tolerance=1)
    standing: list[str] = []
    for said in ("2", "3", "4"):
        standing.append(rule.anchored(said, standing))
    assert standing == ["2", "2", "4"]
