"""Reliability: how often answers are right, by the score that they came with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from backend.charts.markup import rendered
from backend.charts.scales import Axis, axis_of, percent
from backend.charts.series import told
from backend.charts.shapes import Bar, Drawing, Figure, Key, Line, Mark, Shape, Table, Trace, Words

_WIDTH, _HEIGHT = 560.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 72.0, 28.0, 14.0, 50.0
_COUNTS = 46.0  # the height of the bars of counts, between the diagram and its axis
_GAP = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBin:
    """Answers with scores from ``start`` to ``end``: their mean score, and how many were right."""

    start: float
    end: float
    score: float
    right: float
    low: float
    high: float
    n: int

    @property
    def says(self) -> str:
        """All of it in words."""
        return (
            f"scores from {percent(self.start)} to {percent(self.end)}, {percent(self.score)} on "
            f"average: {told(self.right, self.low, self.high, self.n, percent)} right"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityChart:
    """What to draw. ``empty`` says what it takes where there is no answer."""

    name: str
    title: str
    says: str
    empty: str
    bins: tuple[ScoreBin, ...]


def reliability_chart(chart: ReliabilityChart) -> Markup:
    """The diagram as markup: points on the diagonal keep what their scores promise."""
    if not chart.bins:
        return rendered(Figure(name=chart.name, title=chart.title, says=chart.empty))
    along = axis_of(
        [chart.bins[0].start, chart.bins[-1].end],
        start=_LEFT,
        end=_WIDTH - _RIGHT,
        unit=percent,
        least=0.0,
        most=1.0,
    )
    up = axis_of(
        [along.low, along.high, *(end for each in chart.bins for end in (each.low, each.high))],
        start=_HEIGHT - _BOTTOM - _COUNTS - _GAP,
        end=_TOP,
        unit=percent,
        least=0.0,
        most=1.0,
    )
    shapes = [*_frame(along, up), *_counts(chart.bins, along), *_points(chart.bins, along, up)]
    return rendered(
        Figure(
            name=chart.name,
            title=chart.title,
            says=chart.says,
            describes="Points on the diagonal keep what their scores promise, those under it are "
            f"too sure. {len(chart.bins)} points: {'; '.join(e.says for e in chart.bins)}.",
            drawing=Drawing(width=_WIDTH, height=_HEIGHT, shapes=shapes),
            legend=(
                Key(kind="series series-1", name="right, with 95 % interval", form="circle"),
                Key(kind="diagonal", name="as often right as the score says"),
                Key(kind="count-bar", name="answers with such a score", pattern=0),
            ),
            table=_table(chart.bins),
        )
    )


def _frame(along: Axis, up: Axis) -> list[Shape]:
    left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    shapes: list[Shape] = []
    for value, text in up.ticks:
        y = up.place(value)
        shapes.append(Line(kind="grid", x1=left, x2=right, y1=y, y2=y))
        shapes.append(Words(kind="axis end", x=left - 7, y=round(y + 4, 1), text=text))
    for order, (value, text) in enumerate(along.ticks):
        x = along.place(value)
        kind = "axis middle" if order % 2 == 0 else "axis middle gives-way"
        shapes.append(Line(kind="tick", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        shapes.append(Words(kind=kind, x=x, y=bottom + 21, text=text))
    shapes.append(Line(kind="zero", x1=left, x2=right, y1=bottom, y2=bottom))
    shapes.append(
        Words(kind="axis-title middle", x=(left + right) / 2, y=_HEIGHT - 6, text="score")
    )
    ends = max(along.low, up.low), min(along.high, up.high)
    diagonal = tuple((along.place(each), up.place(each)) for each in ends)
    return [*shapes, Trace(kind="diagonal", points=diagonal)]


def _counts(bins: Sequence[ScoreBin], along: Axis) -> list[Shape]:
    most = max(each.n for each in bins)
    bottom = _HEIGHT - _BOTTOM
    shapes: list[Shape] = []
    for each in bins:
        start, end = along.place(each.start), along.place(each.end)
        height = max(1.0, round(_COUNTS * each.n / most, 1))
        shapes.append(
            Bar(
                kind="count-bar",
                x=start + 0.5,
                y=bottom - height,
                width=max(1.0, round(end - start - 1, 1)),
                height=height,
                says=f"{each.n:,} answers with {each.says}",
            )
        )
    return shapes


def _points(bins: Sequence[ScoreBin], along: Axis, up: Axis) -> list[Shape]:
    shapes: list[Shape] = []
    for each in bins:
        x = along.place(each.score)
        shapes.append(
            Line(kind="whisker series-1", x1=x, x2=x, y1=up.place(each.low), y2=up.place(each.high))
        )
    places = tuple((along.place(each.score), up.place(each.right)) for each in bins)
    shapes.append(Trace(kind="series series-1", points=places))
    shapes += [
        Mark(kind="point series-1", x=x, y=y, says=each.says)
        for each, (x, y) in zip(bins, places, strict=True)
    ]
    return shapes


def _table(bins: Sequence[ScoreBin]) -> Table:
    return Table(
        head=("Scores", "Mean score", "Right", "Answers"),
        rows=tuple(
            (
                f"{percent(each.start)} to {percent(each.end)}",
                percent(each.score),
                told(each.right, each.low, each.high, None, percent),
                f"{each.n:,}",
            )
            for each in bins
        ),
    )
