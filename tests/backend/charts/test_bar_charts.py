"""Bars: lengths, whiskers, stacks, and more rows than there is room for."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from backend.charts.bars import BarChart, Row, bar_chart
from backend.charts.scales import points
from tests.backend.charts.drawn import (
    check_safe_and_named,
    numbers,
    read,
    svg_of,
    texts,
    with_class,
)


def chart(*rows: Row, **more: Any) -> BarChart:
    given: dict[str, Any] = {
        "name": "bars-1",
        "title": "Bars",
        "says": "Longer is more.",
        "empty": "It takes a row.",
        "parts": ("value",),
        "place": "label",
    }
    return BarChart(rows=rows, **(given | more))


def lengths(chart_: BarChart) -> list[float]:
    bars = with_class(svg_of(bar_chart(chart_)), "fill")
    return [float(each.get("width") or 0) for each in bars]


def test_bars_are_as_long_as_their_values() -> None:
    one, two, small, zero = lengths(
        chart(
            Row(name="a", values=(2.0,)),
            Row(name="b", values=(4.0,)),
            Row(name="c", values=(0.5,)),
            Row(name="d", values=(0.0,)),
            Row(name="e", values=(None,)),
        )
    )
    assert two == pytest.approx(2 * one, abs=0.2)
    assert small == pytest.approx(one / 4, abs=0.2)
    assert zero == 1  # it is seen that there is nothing; what is unknown is not drawn


def test_values_under_zero_go_the_other_way_with_their_whiskers() -> None:
    rows = (
        Row(name="helps", values=(0.02,), low=0.01, high=0.03, n=90, note="helps, over 4 cycles"),
        Row(name="harms", values=(-0.01,), low=-0.02, high=0.0, n=40),
    )
    markup = bar_chart(chart(*rows, unit=points))
    check_safe_and_named(markup)
    svg = svg_of(markup)
    zero = float(with_class(svg, "zero")[0].get("x1") or 0)
    helps, harms = with_class(svg, "fill")
    assert float(helps.get("x") or 0) == zero
    left = float(harms.get("x") or 0)
    assert left + float(harms.get("width") or 0) == pytest.approx(zero, abs=0.2)
    whiskers = with_class(svg, "whisker")
    assert len(whiskers) == 6  # one across and two ends for each
    ends = sorted(float(whiskers[0].get(key) or 0) for key in ("x1", "x2"))
    middle = zero + float(helps.get("width") or 0)
    assert ends[0] == pytest.approx((zero + middle) / 2, abs=0.5)
    assert ends[1] - middle == pytest.approx(middle - ends[0], abs=0.5)
    assert numbers(markup)[1] == [
        "helps",
        "+2 points (+1 points to +3 points, n = 90); helps, over 4 cycles",
    ]


def test_parts_of_a_stack_add_up_and_differ_by_pattern() -> None:
    markup = bar_chart(
        chart(
            Row(name="v1", values=(3.0, 1.0, 2.0)),
            Row(name="v2", values=(1.0, None, 1.0)),
            parts=("people", "training", "gate <b>"),
        )
    )
    check_safe_and_named(markup)
    svg = svg_of(markup)
    first = with_class(svg, "fill")[:3]
    for before, after in itertools.pairwise(first):
        end = float(before.get("x") or 0) + float(before.get("width") or 0)
        assert float(after.get("x") or 0) == pytest.approx(end, abs=0.3)
    patterns = [each.get("fill") for each in with_class(svg, "pattern")]
    assert patterns == [
        "url(#bars-1-pattern-1)",
        "url(#bars-1-pattern-2)",
        "url(#bars-1-pattern-2)",
    ]
    ids = {each.get("id") for each in svg.iter("pattern")}
    assert {"bars-1-pattern-1", "bars-1-pattern-2"} <= ids
    assert numbers(markup) == [
        ["label", "people", "training", "gate <b>", "in all"],
        ["v1", "3", "1", "2", "6"],
        ["v2", "1", "-", "1", "2"],
    ]
    legend = next(each for each in read(markup).iter("ul"))
    assert ["".join(item.itertext()) for item in legend] == ["people", "training", "gate <b>"]


def test_of_two_hundred_labels_the_first_are_drawn_and_the_rest_are_told() -> None:
    rows = [Row(name=f"label {place}", values=(float(200 - place),)) for place in range(200)]
    added = bar_chart(chart(*rows, additive=True))
    names = texts(svg_of(added), "row-name")
    assert len(names) == 16
    assert names[-1] == "185 others"
    assert sum(range(1, 186)) == 17_205
    assert "185 others 17,205" in added
    assert len(numbers(added)) == 201
    apart = bar_chart(chart(*rows))
    assert len(texts(svg_of(apart), "row-name")) == 16
    assert "184 more stand in the numbers alone." in apart


def test_hostile_and_huge_names_stay_text() -> None:
    hostile = "<img src=x onerror=alert(1)>" * 20
    markup = bar_chart(chart(Row(name=hostile, values=(1.0,))))
    check_safe_and_named(markup)
    assert "<img" not in markup
    (name,) = with_class(svg_of(markup), "row-name")
    assert len(name.text or "") <= 18
    title = name.find("title")
    assert title is not None
    assert title.text == hostile


@pytest.mark.parametrize(
    "rows", [(), (Row(name="a", values=(None,)),), (Row(name="a", values=(math.nan,)),)]
)
def test_without_a_value_it_says_what_it_takes(rows: tuple[Row, ...]) -> None:
    markup = bar_chart(chart(*rows))
    assert "It takes a row." in markup
    assert "<svg" not in markup


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="each row takes 2 values"):
        bar_chart(chart(Row(name="a", values=(1.0,)), parts=("x", "y")))
    with pytest.raises(ValueError, match="of 6 at most"):
        bar_chart(chart(Row(name="a", values=(1.0,) * 7), parts=tuple("abcdefg")))
