"""Lines: where values are drawn, what is said of them, and what becomes of odd ones."""

from __future__ import annotations

import doctest
import itertools
import math
from typing import Any

import pytest

from backend.charts import scales, series
from backend.charts.lines import MOST_SERIES, line_chart
from backend.charts.scales import count, percent, thinned
from backend.charts.series import Event, LineChart, Point, Series, Threshold, points_of
from tests.backend.charts.drawn import (
    check_safe_and_named,
    numbers,
    places,
    read,
    start,
    svg_of,
    texts,
    with_class,
)

HOSTILE = "\"><script>alert(1)</script>&'"


def share(value: float | None, half: float = 0.02, n: int = 200) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def chart(*figures: Series, **more: Any) -> LineChart:
    given: dict[str, Any] = {
        "name": "accuracy-1",
        "title": "Accuracy",
        "says": "It is high.",
        "empty": "It takes an answer.",
        "place": "week",
    }
    return LineChart(series=figures, **(given | more))


def of(values: list[float | None], name: str = "right") -> Series:
    figures = [(f"2026-W{place:02d}", share(value)) for place, value in enumerate(values)]
    return Series(name=name, points=points_of(figures))


def test_the_examples_in_the_text_are_right() -> None:
    for module in (scales, series):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


def test_values_are_drawn_in_proportion_with_their_bands() -> None:
    markup = line_chart(chart(of([0.7, 0.8, 0.9])))
    svg = svg_of(markup)
    (line,), (band,) = with_class(svg, "series"), with_class(svg, "band")
    (x1, y1), (x2, y2), (x3, y3) = places(line)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2) != 0
    assert y1 > y3  # more is higher
    half = (y1 - y2) * 0.02 / 0.1
    heights = [y for _, y in places(band)]
    assert heights[0] == pytest.approx(y1 - half, abs=0.2)
    assert heights[-1] == pytest.approx(y1 + half, abs=0.2)
    assert [float(each.get("y1") or 0) for each in with_class(svg, "grid")] == sorted(
        (float(each.get("y1") or 0) for each in with_class(svg, "grid")), reverse=True
    )
    assert [start(each)[1] for each in with_class(svg, "point")] == [y1, y2, y3]


def test_it_is_named_told_and_has_its_numbers() -> None:
    markup = line_chart(chart(of([0.7, 0.8])))
    check_safe_and_named(markup)
    svg = svg_of(markup)
    said = {each.get("id"): each.text for each in svg if each.get("id")}
    assert said["accuracy-1-title"] == "Accuracy"
    assert said["accuracy-1-describes"] == (
        "right: 2 points, from 70 % at 2026-W00 to 80 % at 2026-W01, lowest 70 %, highest 80 %."
    )
    titles = [each.find("title") for each in with_class(svg, "point")]
    assert [each.text for each in titles if each is not None] == [
        "right, 2026-W00: 70 % (68 % to 72 %, n = 200)",
        "right, 2026-W01: 80 % (78 % to 82 %, n = 200)",
    ]
    assert numbers(markup)[1:] == [
        ["2026-W00", "70 % (68 % to 72 %, n = 200)"],
        ["2026-W01", "80 % (78 % to 82 %, n = 200)"],
    ]
    assert "It is high." in "".join(read(markup).itertext())


def test_text_from_outside_stays_text() -> None:
    points = (Point(at=0, name=HOSTILE, value=1), Point(at=1, name="b", value=2))
    markup = line_chart(
        chart(
            Series(name=HOSTILE, points=points),
            title=HOSTILE,
            says=HOSTILE,
            place=HOSTILE,
            unit=count,
            events=(Event(name=HOSTILE, at=0.0, kind="bad"),),
            thresholds=(Threshold(name=HOSTILE, value=1.5),),
            notes=(HOSTILE,),
        )
    )
    check_safe_and_named(markup)
    assert "<script" not in markup
    assert HOSTILE in "".join(read(markup).itertext())


@pytest.mark.parametrize("name", ["Big", "a b", '"x', "", "1a", "a<"])
def test_a_name_that_is_no_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a chart"):
        line_chart(chart(of([0.5]), name=name))


@pytest.mark.parametrize(
    "nothing", [(), (Series(name="a", points=()),), (of([None, None]),), (of([math.nan]),)]
)
def test_without_a_value_it_says_what_it_takes(nothing: tuple[Series, ...]) -> None:
    markup = line_chart(chart(*nothing))
    check_safe_and_named(markup)
    assert "It takes an answer." in markup
    assert "<svg" not in markup
    assert "<table" not in markup


def test_one_point_is_a_point_with_its_whisker() -> None:
    svg = svg_of(line_chart(chart(of([0.9]))))
    assert len(with_class(svg, "point")) == len(with_class(svg, "whisker")) == 1
    assert not with_class(svg, "series")
    assert 0 < start(with_class(svg, "point")[0])[1] < 250


def test_a_line_is_broken_where_nothing_is_known() -> None:
    markup = line_chart(chart(of([0.7, 0.8, None, math.nan, 0.9, 0.95])))
    assert [len(places(each)) for each in with_class(svg_of(markup), "series")] == [2, 2]
    assert numbers(markup)[3][1] == numbers(markup)[4][1] == "-"


def test_a_long_row_is_thinned_and_no_peak_is_lost() -> None:
    values: list[float | None] = [0.5] * 1_000
    values[617], values[618] = 0.99, 0.01
    markup = line_chart(chart(of(values), least=0.0, most=1.0))
    (line,) = with_class(svg_of(markup), "series")
    drawn = places(line)
    assert len(drawn) <= 240
    assert drawn[0][0] < 100
    assert drawn[-1][0] > 480
    heights = [y for _, y in drawn]
    axis = with_class(svg_of(markup), "grid")
    bottom, top = (float(axis[place].get("y1") or 0) for place in (0, -1))
    assert max(heights) == pytest.approx(bottom + (top - bottom) * 0.01, abs=0.3)
    assert min(heights) == pytest.approx(bottom + (top - bottom) * 0.99, abs=0.3)
    assert "Of 1,000 points in a row those are drawn" in markup
    assert "These are 60 of 1,000 places, the newest." in markup
    assert len(numbers(markup)) == 61
    assert len(markup) < 60_000


def test_thinning_keeps_ends_and_order() -> None:
    values = [math.sin(place / 7) for place in range(5_000)]
    kept = thinned(values, 100)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, 4_999)
    assert max(values[place] for place in kept) == max(values)
    assert min(values[place] for place in kept) == min(values)
    assert len(kept) <= 100


def test_several_series_differ_by_more_than_their_colour() -> None:
    lines = [of([0.5 + place / 20, 0.6 + place / 20], f"s{place}") for place in range(9)]
    markup = line_chart(chart(*lines))
    check_safe_and_named(markup)
    svg = svg_of(markup)
    forms = {(each.get("d") or "").split("a")[0][-4:] for each in with_class(svg, "point")}
    assert len(with_class(svg, "series")) == MOST_SERIES
    assert len(forms) > 3
    assert "3 more lines stand in the numbers alone." in markup
    assert numbers(markup)[0] == ["week", *(f"s{place}" for place in range(9))]
    legend = next(each for each in read(markup).iter("ul"))
    assert ["".join(item.itertext()) for item in legend] == [f"s{place}" for place in range(6)]


def test_thresholds_and_events_stand_where_they_mean_something() -> None:
    line = Series(
        name="wrong",
        points=tuple(
            Point(at=place / 10, name=str(place), value=place / 100) for place in range(11)
        ),
        stepped=True,
        bare=True,
    )
    markup = line_chart(
        chart(
            line,
            across=percent,
            least=0.0,
            thresholds=(Threshold(name="promised", value=0.05),),
            events=(
                Event(name="certified: 0.9", at=0.5, kind="good"),
                Event(name="cheapest: 0.8", at=0.55),
                Event(name="tripped", at=0.56, kind="bad"),
            ),
        )
    )
    check_safe_and_named(markup)
    svg = svg_of(markup)
    (drawn,) = with_class(svg, "series")
    corners = places(drawn)
    assert len(corners) == 21  # a corner between every two points
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(corners))
    (across,) = with_class(svg, "threshold")
    assert float(across.get("y1") or 0) == pytest.approx(
        (corners[0][1] + corners[-1][1]) / 2, abs=1
    )
    (certified,) = [each for each in with_class(svg, "event-good") if each.tag == "line"]
    assert float(certified.get("x1") or 0) == pytest.approx(
        (corners[0][0] + corners[-1][0]) / 2, abs=1
    )
    named = texts(svg, "event-name")
    assert named == ["certified: 0.9", "cheapest: 0.8"]  # the third has no room, and its title
    says = [
        title.text for each in with_class(svg, "event") if (title := each.find("title")) is not None
    ]
    assert says == ["certified: 0.9", "cheapest: 0.8", "tripped"]


def test_names_and_events_do_not_lie_on_each_other() -> None:
    points = tuple(
        Point(at=float(place**3), name=f"02-{place:02d} 12:00", value=0.5) for place in range(30)
    )
    events = tuple(Event(name=f"promoted: v{place}", at=float(place**3)) for place in range(30))
    svg = svg_of(line_chart(chart(Series(name="a", points=points), events=events)))
    axis = [each for each in with_class(svg, "axis") if "middle" in (each.get("class") or "")]
    xs = [float(each.get("x") or 0) for each in axis]
    assert all(after - before > 60 for before, after in itertools.pairwise(xs))
    rows: dict[float, list[tuple[float, int]]] = {}
    for each in with_class(svg, "event-name"):
        rows.setdefault(float(each.get("y") or 0), []).append(
            (float(each.get("x") or 0), len(each.text or ""))
        )
    assert 1 <= len(rows) <= 2
    for row in rows.values():
        assert all(x + 6 * letters < after for (x, letters), (after, _) in itertools.pairwise(row))


def test_a_log_axis_takes_zero_and_keeps_its_proportions() -> None:
    line = Series(name="v1", points=points_of([(str(v), share(v, 0)) for v in (0, 1, 10, 100)]))
    markup = line_chart(
        chart(line, unit=count, log=True, thresholds=(Threshold(name="trips at", value=2_000),))
    )
    check_safe_and_named(markup)
    (drawn,) = with_class(svg_of(markup), "series")
    zero, one, ten, hundred = (y for _, y in places(drawn))
    assert zero == one  # at the edge
    assert one - ten == pytest.approx(ten - hundred, abs=0.2)
    assert "10,000" in texts(svg_of(markup), "axis")


def test_a_huge_name_is_cut_and_kept_whole() -> None:
    huge = "x" * 500
    points = (Point(at=0, name=huge, value=1), Point(at=1, name="b", value=2))
    markup = line_chart(chart(Series(name="a", points=points), unit=count))
    cut = next(each for each in with_class(svg_of(markup), "axis") if "…" in (each.text or ""))
    assert len(cut.text or "") <= 14
    title = cut.find("title")
    assert title is not None
    assert title.text == huge


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.5, 1.0, 1e15, -3.0])
def test_any_value_lies_inside_the_picture(value: float) -> None:
    points = tuple(
        Point(at=place, name=str(place), value=value, low=value, high=value) for place in (0, 1)
    )
    markup = line_chart(chart(Series(name="a", points=points), unit=count))
    check_safe_and_named(markup)
    assert 2 <= len(with_class(svg_of(markup), "grid")) <= 7
