"""Bars across: a figure a row with its interval, or a sum in parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from backend.charts.markup import rendered
from backend.charts.scales import Axis, Unit, axis_of, count, roomy, shortened
from backend.charts.series import told
from backend.charts.shapes import Bar, Drawing, Figure, Key, Line, Shape, Table, Words

_WIDTH = 560.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 172.0, 112.0, 6.0, 34.0
_ROW, _THICK = 30.0, 18.0
_NAME_LENGTH = 18
_MOST_ROWS = 200
_MOST_PARTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A bar: one value with its interval, or several parts that add up (then without one).

    ``note`` is said of the value in the numbers.
    """

    name: str
    values: tuple[float | None, ...]
    low: float | None = None
    high: float | None = None
    n: int | None = None
    note: str = ""

    @property
    def total(self) -> float:
        """The parts together; what is unknown adds nothing."""
        return math.fsum(each for each in self.values if each is not None and math.isfinite(each))

    @property
    def known(self) -> bool:
        """Whether there is something to draw."""
        return any(each is not None and math.isfinite(each) for each in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """What to draw, in the order of the rows; ``parts`` names the values of a row.

    ``additive``: rows that there is no room for are drawn as one, "others"; where they cannot be
    added up they stand in the numbers alone.
    """

    name: str
    title: str
    says: str
    empty: str
    rows: tuple[Row, ...]
    parts: tuple[str, ...]
    place: str
    unit: Unit = count
    additive: bool = False
    most_rows: int = 16
    least: float | None = None
    most: float | None = None
    notes: tuple[str, ...] = field(default=())


def bar_chart(chart: BarChart) -> Markup:
    """The chart as markup; a sentence where there is nothing to draw.

    Raises
        ValueError: a row has another number of values than there are parts, or parts are more than
            can be told apart.
    """
    if len(chart.parts) > _MOST_PARTS or any(
        len(row.values) != len(chart.parts) for row in chart.rows
    ):
        raise ValueError(
            f"{chart.name}: each row takes {len(chart.parts)} values, of {_MOST_PARTS} at most"
        )
    known = [row for row in chart.rows if row.known]
    if not known:
        return rendered(Figure(name=chart.name, title=chart.title, says=chart.empty))
    shown, notes = _fitting(chart, known)
    height = _TOP + _ROW * len(shown) + _BOTTOM
    ends = [end for row in shown for end in (0.0, row.total, row.low, row.high) if end is not None]
    along = axis_of(
        ends,
        start=_LEFT,
        end=_WIDTH - _RIGHT,
        unit=chart.unit,
        least=chart.least,
        most=chart.most,
    )
    shapes = _frame(along, height)
    for place, row in enumerate(shown):
        shapes += _row(chart, row, along, _TOP + _ROW * place)
    zero = along.place(0.0)
    shapes.append(Line(kind="zero", x1=zero, x2=zero, y1=_TOP, y2=height - _BOTTOM))
    return rendered(
        Figure(
            name=chart.name,
            title=chart.title,
            says=chart.says,
            describes=_description(chart, shown),
            drawing=Drawing(width=_WIDTH, height=height, shapes=shapes),
            legend=_legend(chart),
            table=_table(chart),
            notes=(*chart.notes, *notes),
        )
    )


def _fitting(chart: BarChart, known: Sequence[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that are drawn, and what is said of the others."""
    if len(known) <= chart.most_rows:
        return list(known), ()
    if not chart.additive:
        left = len(known) - chart.most_rows
        return list(known[: chart.most_rows]), (f"{left:,} more stand in the numbers alone.",)
    kept, rest = known[: chart.most_rows - 1], known[chart.most_rows - 1 :]
    summed = tuple(
        math.fsum(row.values[part] or 0.0 for row in rest) for part in range(len(chart.parts))
    )
    return [*kept, Row(name=f"{len(rest):,} others", values=summed)], ()


def _frame(along: Axis, height: float) -> list[Shape]:
    shapes: list[Shape] = []
    for value, _ in along.ticks:
        x = along.place(value)
        shapes.append(Line(kind="grid", x1=x, x2=x, y1=_TOP, y2=height - _BOTTOM))
    names = roomy([(along.place(value), text) for value, text in along.ticks])
    for order, (x, text) in enumerate(names):
        kind = "axis middle gives-way" if order % 2 else "axis middle"
        shapes.append(Words(kind=kind, x=x, y=height - _BOTTOM + 21, text=text))
    return shapes


def _row(chart: BarChart, row: Row, along: Axis, top: float) -> list[Shape]:
    middle = top + _ROW / 2
    text, whole = shortened(row.name, _NAME_LENGTH)
    shapes: list[Shape] = [
        Words(kind="row-name end", x=_LEFT - 9, y=middle + 4, text=text, says=whole)
    ]
    reached, right = 0.0, along.place(0.0)
    for part, value in enumerate(row.values):
        if value is None or not math.isfinite(value) or (value == 0 and len(chart.parts) > 1):
            continue
        one, other = along.place(reached), along.place(reached + value)
        says = f"{row.name}: {told(value, row.low, row.high, row.n, chart.unit)}"
        if len(chart.parts) > 1:
            says = f"{row.name}, {chart.parts[part]}: {chart.unit(value)}"
        shapes.append(
            Bar(
                kind=f"fill series-{part % _MOST_PARTS + 1}",
                x=min(one, other),
                y=middle - _THICK / 2,
                width=max(1.0, round(abs(other - one), 1)),
                height=_THICK,
                says=says,
                pattern=part % _MOST_PARTS,
            )
        )
        reached += value
        right = max(right, one, other)
    if row.low is not None and row.high is not None:
        low, high = along.place(row.low), along.place(row.high)
        shapes.append(Line(kind="whisker over", x1=low, x2=high, y1=middle, y2=middle))
        shapes += [
            Line(kind="whisker over", x1=end, x2=end, y1=middle - 5, y2=middle + 5)
            for end in (low, high)
        ]
        right = max(right, high)
    shapes.append(Words(kind="value", x=right + 7, y=middle + 4, text=chart.unit(row.total)))
    return shapes


def _legend(chart: BarChart) -> tuple[Key, ...]:
    if len(chart.parts) < 2:
        return ()
    return tuple(
        Key(kind=f"fill series-{part + 1}", name=name, pattern=part)
        for part, name in enumerate(chart.parts)
    )


def _description(chart: BarChart, shown: Sequence[Row]) -> str:
    told_of = "; ".join(
        f"{row.name} {told(row.total, row.low, row.high, row.n, chart.unit)}" for row in shown
    )
    parts = f" in the parts {', '.join(chart.parts)}" if len(chart.parts) > 1 else ""
    return f"{len(shown)} bars{parts}: {told_of}."


def _table(chart: BarChart) -> Table:
    stacked = len(chart.parts) > 1
    rows = []
    for row in chart.rows[:_MOST_ROWS]:
        if stacked:
            cells = ["-" if each is None else chart.unit(each) for each in row.values]
            rows.append((row.name, *cells, chart.unit(row.total)))
        else:
            figure = told(row.total, row.low, row.high, row.n, chart.unit) if row.known else "-"
            rows.append((row.name, f"{figure}; {row.note}" if row.note else figure))
    head = (chart.place, *chart.parts, *(("in all",) if stacked else ()))
    return Table(head=head, rows=tuple(rows))
