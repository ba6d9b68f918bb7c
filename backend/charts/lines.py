"""Lines with their intervals: figures over time, over versions, over a share of tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from backend.charts.line_shapes import EVENT_ROWS, Frame, frame_shapes, series_shapes
from backend.charts.markup import rendered
from backend.charts.scales import Axis, Unit, axis_of, thinned
from backend.charts.series import LineChart, Point, Series, told
from backend.charts.shapes import FORMS, Drawing, Figure, Key, Shape, Table

WIDTH, HEIGHT = 560.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 72.0, 28.0, 14.0, 50.0
MOST_SERIES = 6
_MOST_POINTS = 240
_MOST_ROWS = 60


def line_chart(chart: LineChart) -> Markup:
    """The chart as markup; a sentence where there is nothing to draw."""
    drawn = [each for each in chart.series if any(point.shown for point in each.points)]
    if not drawn:
        return rendered(Figure(name=chart.name, title=chart.title, says=chart.empty))
    shown = drawn[:MOST_SERIES]
    notes = list(chart.notes)
    if len(drawn) > MOST_SERIES:
        notes.append(f"{len(drawn) - MOST_SERIES} more lines stand in the numbers alone.")
    longest = max(len(each.points) for each in shown)
    if longest > _MOST_POINTS:
        notes.append(
            f"Of {longest:,} points in a row those are drawn that are highest or lowest "
            "in their stretch."
        )
    frame = _frame(chart, shown)
    shapes: list[Shape] = frame_shapes(frame, chart.thresholds, chart.events)
    for place, each in enumerate(shown):
        kept = _thin(each)
        shapes += series_shapes(frame, kept, place)
    return rendered(
        Figure(
            name=chart.name,
            title=chart.title,
            says=chart.says,
            describes=_description(chart, shown),
            drawing=Drawing(width=WIDTH, height=frame.height, shapes=shapes),
            legend=_legend(chart, shown),
            table=_table(chart, drawn),
            notes=tuple(notes),
        )
    )


def _thin(series: Series) -> Series:
    values = [point.value if point.shown and point.value else 0.0 for point in series.points]
    kept = thinned(values, _MOST_POINTS)
    return Series(
        name=series.name,
        points=tuple(series.points[place] for place in kept),
        stepped=series.stepped,
        bare=series.bare or len(kept) > _MOST_POINTS // 4,
    )


def _frame(chart: LineChart, shown: Sequence[Series]) -> Frame:
    rows = min(EVENT_ROWS, len(chart.events))
    top = _TOP + 15 * rows
    height = HEIGHT + 15 * rows
    points = [point for each in shown for point in each.points if point.shown]
    values = [
        float(value)
        for point in points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    up = axis_of(
        [*values, *(each.value for each in chart.thresholds)],
        start=height - _BOTTOM,
        end=top,
        unit=chart.unit,
        least=chart.least,
        most=chart.most,
        log=chart.log,
    )
    return Frame(
        along=_along(chart, points),
        up=up,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=top,
        bottom=height - _BOTTOM,
        height=height,
        place=chart.place,
        unit=chart.unit,
    )


def _along(chart: LineChart, points: Sequence[Point]) -> Axis:
    start, end = _LEFT, WIDTH - _RIGHT
    places = [point.at for point in points]
    if chart.across is not None:
        return axis_of(
            [*places, *(each.at for each in chart.events)],
            start=start,
            end=end,
            unit=chart.across,
        )
    named = dict(sorted((point.at, point.name) for point in points))
    inset = 14.0
    return Axis(
        low=min(named),
        high=max(named),
        start=start + inset,
        end=end - inset,
        ticks=tuple(named.items()),
    )


def _legend(chart: LineChart, shown: Sequence[Series]) -> tuple[Key, ...]:
    keys = []
    if len(shown) > 1 or chart.thresholds or chart.events:
        keys = [
            Key(
                kind=f"series series-{place + 1}",
                name=each.name,
                form=None if each.bare else FORMS[place % len(FORMS)],
            )
            for place, each in enumerate(shown)
        ]
    keys += [
        Key(kind=f"threshold threshold-{place + 1}", name=f"{each.name}: {chart.unit(each.value)}")
        for place, each in enumerate(chart.thresholds)
    ]
    keys += [
        Key(kind=f"event event-{kind}", name=name)
        for kind, name in dict.fromkeys(
            (each.kind, each.name.split(":")[0]) for each in chart.events
        )
    ]
    return tuple(keys)


def _description(chart: LineChart, shown: Sequence[Series]) -> str:
    """What is drawn, in a sentence a line."""
    told = []
    for each in shown:
        points = [point for point in each.points if point.shown]
        values = [point.value for point in points if point.value is not None]
        first, last = points[0], points[-1]
        span = (
            f"from {chart.unit(values[0])} at {first.name} to {chart.unit(values[-1])} "
            f"at {last.name}, lowest {chart.unit(min(values))}, highest {chart.unit(max(values))}"
            if len(points) > 1
            else f"{chart.unit(values[0])} at {first.name}"
        )
        told.append(f"{each.name}: {_counted(len(points), 'point')}, {span}.")
    told += [f"A line across at {chart.unit(e.value)}: {e.name}." for e in chart.thresholds]
    if chart.events:
        told.append("Marked: " + "; ".join(each.name for each in chart.events[:20]) + ".")
    return " ".join(told)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _table(chart: LineChart, drawn: Sequence[Series]) -> Table:
    known = {point.name for each in drawn for point in each.points if point.shown}
    places = sorted(
        {
            (point.at, point.name)
            for each in drawn
            for point in each.points
            if point.shown or point.name not in known  # a break in a line is no place of its own
        }
    )
    found = {
        (column, point.at): point for column, each in enumerate(drawn) for point in each.points
    }
    kept = places[-_MOST_ROWS:]
    if chart.across is not None and len(places) > _MOST_ROWS:  # evenly: no end is the newest
        stride = math.ceil(len(places) / _MOST_ROWS)
        kept = places[::stride]
    rows = tuple(
        (name, *(_cell(found.get((column, at)), chart.unit) for column in range(len(drawn))))
        for at, name in kept
    )
    left = len(places) - len(kept)
    which = "evenly chosen" if chart.across is not None else "the newest"
    note = f"These are {len(kept)} of {len(places):,} places, {which}." if left else ""
    return Table(head=(chart.place, *(each.name for each in drawn)), rows=rows, note=note)


def _cell(point: Point | None, unit: Unit) -> str:
    if point is None or not point.shown or point.value is None:
        return "-"
    return told(point.value, point.low, point.high, point.n, unit)
