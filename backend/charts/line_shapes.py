"""The shapes of a line chart: its frame, then each series on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from backend.charts.scales import Axis, Unit, roomy, shortened
from backend.charts.series import Event, Point, Series, Threshold, told
from backend.charts.shapes import FORMS, Form, Line, Mark, Shape, Trace, Words

EVENT_ROWS = 2
_EVENT_ROW = 15.0
_EVENT_LETTER = 7.6  # as wide as in a narrow box
_MOST_NAMES = 6
# Characters: what fits between two names under the axis, and beside a mark.
_NAME_LENGTH, _EVENT_LENGTH = 14, 26


_EVENT_FORMS: dict[str, Form] = {"good": "triangle", "bad": "cross", "plain": "diamond"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where the lines are drawn: the axes and the box that they span."""

    along: Axis
    up: Axis
    left: float
    right: float
    top: float
    bottom: float
    height: float
    place: str
    unit: Unit


def frame_shapes(
    frame: Frame, thresholds: Sequence[Threshold], events: Sequence[Event]
) -> list[Shape]:
    """The grid with its names, what means something across, and what happened."""
    shapes: list[Shape] = []
    for value, text in frame.up.ticks:
        y = frame.up.place(value)
        shapes.append(Line(kind="grid", x1=frame.left, x2=frame.right, y1=y, y2=y))
        shapes.append(Words(kind="axis end", x=frame.left - 7, y=round(y + 4, 1), text=text))
    shapes += _names(frame)
    middle = (frame.left + frame.right) / 2
    shapes.append(Words(kind="axis-title middle", x=middle, y=frame.height - 6, text=frame.place))
    for place, each in enumerate(thresholds):
        y = frame.up.place(each.value)
        kind = f"threshold threshold-{place + 1}"
        shapes.append(Line(kind=kind, x1=frame.left, x2=frame.right, y1=y, y2=y))
    return shapes + _events(frame, events)


def _names(frame: Frame) -> list[Shape]:
    """The names under the axis, as many as there is room for; every second gives way if narrow."""
    ticks = frame.along.ticks
    stride = max(1, math.ceil(len(ticks) / _MOST_NAMES))
    whole = {frame.along.place(value): text for value, text in ticks[::stride]}
    cut = {x: shortened(text, _NAME_LENGTH) for x, text in whole.items()}
    shapes: list[Shape] = []
    for order, (x, text) in enumerate(roomy([(x, shown) for x, (shown, _) in cut.items()])):
        kind = "axis middle gives-way" if order % 2 else "axis middle"
        shapes.append(Line(kind="tick", x1=x, x2=x, y1=frame.bottom, y2=frame.bottom + 4))
        shapes.append(Words(kind=kind, x=x, y=frame.bottom + 21, text=text, says=cut[x][1]))
    return shapes


def _events(frame: Frame, events: Sequence[Event]) -> list[Shape]:
    """A line down for each, with its name above in the first row that is free there."""
    free = [frame.left] * EVENT_ROWS
    shapes: list[Shape] = []
    for each in sorted(events, key=lambda event: event.at):
        x = frame.along.place(each.at)
        shapes.append(
            Line(kind=f"event event-{each.kind}", x1=x, x2=x, y1=frame.top - 4, y2=frame.bottom)
        )
        shapes.append(
            Mark(
                kind=f"event event-{each.kind}",
                x=x,
                y=frame.top - 4,
                says=each.name,
                form=_EVENT_FORMS[each.kind],
                size=3,
            )
        )
        text, whole = shortened(each.name, _EVENT_LENGTH)
        width = _EVENT_LETTER * len(text)
        start = round(max(frame.left, min(x - width / 2, frame.right - width)), 1)
        row = next((place for place, until in enumerate(free) if until <= start), None)
        if row is not None:
            free[row] = start + width + 8
            y = frame.top - 12 - row * _EVENT_ROW
            shapes.append(Words(kind="event-name", x=start, y=y, text=text, says=whole))
    return shapes


def series_shapes(frame: Frame, series: Series, place: int) -> list[Shape]:
    """The band, then the line, then the points; one that stands alone has a whisker for a band."""
    kind = f"series-{place % 6 + 1}"
    runs = _runs(series)
    shapes: list[Shape] = [
        Trace(kind=f"band {kind}", points=_band(frame, run), closed=True)
        for run in runs
        if len(run) > 1 and all(point.low is not None for point in run)
    ]
    for run in runs:
        if len(run) > 1:
            points = tuple(_at(frame, point) for point in run)
            traced = _stepped(points) if series.stepped else points
            shapes.append(Trace(kind=f"series {kind}", points=traced))
    for run in runs:
        for point in run if not series.bare else run * (len(run) == 1):
            shapes += _point(frame, series, point, (place, kind), alone=len(run) == 1)
    return shapes


def _point(
    frame: Frame, series: Series, point: Point, how: tuple[int, str], *, alone: bool
) -> list[Shape]:
    place, kind = how
    x, y = _at(frame, point)
    shapes: list[Shape] = []
    if point.low is not None and point.high is not None and alone:
        low, high = frame.up.place(point.low), frame.up.place(point.high)
        shapes.append(Line(kind=f"whisker {kind}", x1=x, x2=x, y1=low, y2=high))
    figure = told(point.value or 0.0, point.low, point.high, point.n, frame.unit)
    says = f"{series.name}, {point.name}: {figure}"
    form = FORMS[place % len(FORMS)]
    shapes.append(Mark(kind=f"point {kind}", x=x, y=y, says=says, form=form))
    return shapes


def _runs(series: Series) -> list[list[Point]]:
    """The points that follow each other without a gap."""
    runs: list[list[Point]] = [[]]
    for point in series.points:
        if point.shown:
            runs[-1].append(point)
        else:
            runs.append([])
    return [run for run in runs if run]


def _at(frame: Frame, point: Point) -> tuple[float, float]:
    return frame.along.place(point.at), frame.up.place(point.value or 0.0)


def _stepped(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """A value holds up to the next one."""
    corners = [points[0]]
    for (_, before), (x, y) in pairwise(points):
        corners += [(x, before), (x, y)]
    return tuple(corners)


def _band(frame: Frame, run: Sequence[Point]) -> tuple[tuple[float, float], ...]:
    places = [frame.along.place(point.at) for point in run]
    highs = [frame.up.place(point.high or 0.0) for point in run]
    lows = [frame.up.place(point.low or 0.0) for point in run]
    over = list(zip(places, highs, strict=True))
    under = list(zip(places, lows, strict=True))
    return (*over, *reversed(under))
