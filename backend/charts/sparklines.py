"""A row of figures as a small line that stands in a cell.

What it shows is told by the text beside it and by its name; it has no table of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from backend.charts.markup import written
from backend.charts.scales import Unit, axis_of, percent, thinned
from backend.charts.shapes import Mark, Trace

_WIDTH, _HEIGHT, _INSET = 96.0, 24.0, 4.0
_MOST_POINTS = 48


def sparkline(
    name: str, about: str, values: Sequence[float | None], unit: Unit = percent
) -> Markup:
    """The figures in a row as a small line with its last point; nothing where there is none.

    A figure that is unknown is passed over.
    """
    known = [each for each in values if each is not None and math.isfinite(each)]
    if not known:
        return Markup()
    drawn = [known[place] for place in thinned(known, _MOST_POINTS)]
    up = axis_of(drawn, start=_HEIGHT - _INSET, end=_INSET, unit=unit)
    wide = _WIDTH - 2 * _INSET
    points = tuple(
        (_INSET + wide * (place / (len(drawn) - 1) if len(drawn) > 1 else 1.0), up.place(each))
        for place, each in enumerate(drawn)
    )
    x, y = points[-1]
    span = f"from {unit(known[0])} to {unit(known[-1])}" if len(known) > 1 else unit(known[0])
    return written(
        "sparkline.html",
        name=name,
        says=f"{about}: {span}",
        line=Trace(kind="series series-1", points=points) if len(points) > 1 else None,
        last=Mark(kind="point series-1", x=x, y=y, says="", size=2.5),
    )
