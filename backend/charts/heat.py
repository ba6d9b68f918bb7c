"""Heat maps: a table whose cells are shaded by what they say, with links where they lead somewhere.

It is a table and no drawing, so that a screen reader finds its rows and columns, links are reached
by keyboard, and every number stands where its shade does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from backend.charts.markup import written
from backend.charts.scales import shortened

LEVELS = 7
_NAME_LENGTH = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell says, ``detail`` in smaller letters.

    ``level`` is its part of the scale in [0, 1]; None: it has no shade.
    """

    text: str
    detail: str = ""
    level: float | None = None
    says: str = ""
    href: str | None = None

    @property
    def shade(self) -> str:
        """The class of its shade."""
        if self.level is None or not math.isfinite(self.level):
            return "heat-none"
        return f"heat-{min(LEVELS - 1, int(min(1.0, max(0.0, self.level)) * LEVELS))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Rows of cells under their names; ``corner`` says what rows and columns are.

    Without a row, ``empty`` says what it takes. Links must be safe: the caller made them.
    """

    name: str
    title: str
    says: str
    empty: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    scale: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()


def heat_map(chart: HeatMap) -> Markup:
    """The table as markup.

    Raises
        ValueError: a row has another number of cells than there are columns.
    """
    for row, cells in chart.rows:
        if len(cells) != len(chart.columns):
            raise ValueError(f"{row!r} has {len(cells)} cells for {len(chart.columns)} columns")
    return written(
        "heat.html",
        name=chart.name,
        chart=chart,
        levels=range(LEVELS),
        cut=lambda text: shortened(text, _NAME_LENGTH)[0],
    )
