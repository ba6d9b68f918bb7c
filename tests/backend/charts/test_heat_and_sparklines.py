"""Heat maps, reliability diagrams and sparklines."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from markupsafe import Markup

from backend.charts.heat import LEVELS, Cell, HeatMap, heat_map
from backend.charts.reliability import ReliabilityChart, ScoreBin, reliability_chart
from backend.charts.sparklines import sparkline
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

HOSTILE = '"><script>alert(1)</script>'


def heat(rows: list[tuple[str, tuple[Cell | None, ...]]], columns: tuple[str, ...]) -> Markup:
    return heat_map(
        HeatMap(
            name="heat-1",
            title="Mixed up",
            says="Most.",
            empty="Nothing is mixed up.",
            corner="model / people",
            columns=columns,
            rows=tuple(rows),
            scale=("fewer", "more"),
        )
    )


def test_a_heat_map_is_a_table_with_its_rows_and_columns_named() -> None:
    markup = heat(
        [("a", (None, Cell(text="3", level=1.0))), ("b", (Cell(text="1", level=0.1), None))],
        ("a", "b"),
    )
    check_safe_and_named(markup)
    root = read(markup)
    assert [each.get("scope") for each in root.iter("th")] == ["col", "col", "row", "row"]
    assert numbers(markup)[1:] == [["a", "", "3"], ["b", "1", ""]]
    assert 'role="img"' not in markup  # or its links could not be reached
    region = with_class(root, "wide")[0]
    assert region.get("tabindex") == "0"
    assert region.get("aria-labelledby") == "heat-1-caption"


@pytest.mark.parametrize(
    ("level", "shade"),
    [
        (0.0, "heat-0"),
        (1.0, f"heat-{LEVELS - 1}"),
        (2.0, f"heat-{LEVELS - 1}"),
        (-1.0, "heat-0"),
        (0.5, "heat-3"),
        (None, "heat-none"),
        (math.nan, "heat-none"),
    ],
)
def test_a_shade_is_its_part_of_the_scale(level: float | None, shade: str) -> None:
    assert Cell(text="x", level=level).shade == shade


def test_links_say_where_they_lead_and_nothing_is_markup() -> None:
    cell = Cell(text="3", detail=HOSTILE, level=0.5, says=HOSTILE, href=f"/d?label={HOSTILE}")
    markup = heat([(HOSTILE, (cell,))], (HOSTILE,))
    check_safe_and_named(markup)
    assert "<script" not in markup
    (link,) = read(markup).iter("a")
    assert link.get("href") == f"/d?label={HOSTILE}"
    assert link.get("aria-label") == f"3: {HOSTILE}"


def test_an_empty_heat_map_says_so_and_a_ragged_one_is_refused() -> None:
    assert "Nothing is mixed up." in heat([], ("a",))
    assert "<table" not in heat([], ("a",))
    with pytest.raises(ValueError, match="'a' has 1 cells for 2 columns"):
        heat([("a", (None,))], ("a", "b"))


def score_bin(start_: float, right: float, n: int) -> ScoreBin:
    return ScoreBin(
        start=start_,
        end=start_ + 0.1,
        score=start_ + 0.05,
        right=right,
        low=right - 0.05,
        high=min(1.0, right + 0.05),
        n=n,
    )


def test_a_score_that_keeps_its_word_lies_on_the_diagonal() -> None:
    bins = (score_bin(0.5, 0.55, 10), score_bin(0.7, 0.6, 40), score_bin(0.9, 0.95, 20))
    markup = reliability_chart(
        ReliabilityChart(name="r-1", title="Reliable?", says="Off.", empty="-", bins=bins)
    )
    check_safe_and_named(markup)
    svg = svg_of(markup)
    (x0, y0), (x1, y1) = places(with_class(svg, "diagonal")[0])
    points = places(with_class(svg, "series")[0])

    def diagonal(x: float) -> float:
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0)

    assert points[0][1] == pytest.approx(diagonal(points[0][0]), abs=0.5)
    assert points[1][1] > diagonal(points[1][0]) + 5  # under it: too sure
    assert points[2][1] == pytest.approx(diagonal(points[2][0]), abs=0.5)
    heights = [float(each.get("height") or 0) for each in with_class(svg, "count-bar")]
    assert heights == pytest.approx([46 / 4, 46, 46 / 2], abs=0.2)
    assert numbers(markup)[2] == ["70 % to 80 %", "75 %", "60 % (55 % to 65 %)", "40"]
    assert len(texts(svg, "axis")) >= 8


def test_a_reliability_diagram_of_one_bin_or_none() -> None:
    one = ReliabilityChart(
        name="r-1", title="T", says="S", empty="It takes answers.", bins=(score_bin(0.9, 1.0, 3),)
    )
    check_safe_and_named(reliability_chart(one))
    none = ReliabilityChart(name="r-1", title="T", says="S", empty="It takes answers.", bins=())
    assert "It takes answers." in reliability_chart(none)


def test_a_sparkline_runs_from_the_first_to_the_last() -> None:
    markup = sparkline("s-1", f"Rate {HOSTILE}", [0.1, None, 0.5, math.nan, 0.9])
    root = read(markup)
    assert root.tag == "svg"
    title = root.find("title")
    assert title is not None
    assert title.text == f"Rate {HOSTILE}: from 10 % to 90 %"
    drawn = places(with_class(root, "series")[0])
    assert len(drawn) == 3
    assert all(before[0] < after[0] and before[1] > after[1] for before, after in pairwise(drawn))
    assert start(with_class(root, "point")[0])[1] == drawn[-1][1]


def test_a_sparkline_of_one_or_none_or_many() -> None:
    assert sparkline("s-1", "Rate", []) == sparkline("s-1", "Rate", [None, math.nan]) == ""
    one = read(sparkline("s-1", "Rate", [0.5]))
    assert not with_class(one, "series")
    assert len(with_class(one, "point")) == 1
    many = read(sparkline("s-1", "Rate", [float(place % 7) for place in range(1_000)]))
    assert len(places(with_class(many, "series")[0])) <= 48
