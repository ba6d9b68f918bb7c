"""What a drawing is made of, in the units of its own box. Colours and fonts are the style's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Form = Literal["circle", "square", "diamond", "triangle", "cross"]
# A series is told by its form as well as by its colour.
FORMS: tuple[Form, ...] = ("circle", "square", "diamond", "triangle", "cross")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line from one point to another."""

    element: ClassVar[str] = "line"
    kind: str
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A line through points, or with ``closed`` the area that they enclose."""

    element: ClassVar[str] = "trace"
    kind: str
    points: tuple[tuple[float, float], ...]
    closed: bool = False

    @property
    def written(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle; ``pattern`` tells parts of a stack apart without colour, 0 is plain."""

    element: ClassVar[str] = "bar"
    kind: str
    x: float
    y: float
    width: float
    height: float
    says: str = ""
    pattern: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point; ``says`` is what a pointer that rests on it is told."""

    element: ClassVar[str] = "mark"
    kind: str
    x: float
    y: float
    says: str
    form: Form = "circle"
    size: float = 3.5

    @property
    def path(self) -> str:
        """The outline as SVG writes it."""
        x, y, r = round(self.x, 1), round(self.y, 1), self.size
        match self.form:
            case "circle":
                return f"M{x - r:g} {y:g}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"
            case "square":
                return f"M{x - r:g} {y - r:g}h{2 * r}v{2 * r}h{-2 * r}z"
            case "diamond":
                return f"M{x:g} {y - 1.3 * r:g}l{1.3 * r:g} {1.3 * r:g}l{-1.3 * r:g} {1.3 * r:g}l{-1.3 * r:g} {-1.3 * r:g}z"  # noqa: E501 - one outline
            case "triangle":
                return f"M{x:g} {y - 1.2 * r:g}l{1.2 * r:g} {2.1 * r:g}h{-2.4 * r:g}z"
            case "cross":
                return f"M{x - r:g} {y - r:g}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Text; ``says`` is all of it where it had to be cut."""

    element: ClassVar[str] = "words"
    kind: str
    x: float
    y: float
    text: str
    says: str = ""


Shape = Line | Trace | Bar | Mark | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An entry of the legend: how something is drawn, and its name."""

    kind: str
    name: str
    form: Form | None = None
    pattern: int | None = None

    @property
    def mark(self) -> Mark | None:
        """The form in the middle of the entry's little box."""
        if self.form is None:
            return None
        return Mark(kind=self.kind, x=14, y=7, says="", form=self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers of a chart, as text; the first column names the row.

    ``note`` says what they do not hold.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The shapes in a box, in the order in which they are drawn."""

    width: float
    height: float
    shapes: Sequence[Shape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart with all that stands beside it.

    ``name`` is unique on its page. ``says`` is what is to be learnt from it, ``describes`` what is
    drawn, for who does not see it. Without a ``drawing``, ``says`` tells what it takes to get one.
    ``notes`` are sentences about what is not shown.
    """

    name: str
    title: str
    says: str
    describes: str = ""
    drawing: Drawing | None = None
    legend: tuple[Key, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = field(default=())
