"""What a person answered to one control of a labelling config, in shapes that no tool owns.

Frozen data. Images are measured in per cent of their width and height, so that every area compares
as it would in pixels; texts in characters, sound and series in their own unit of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from policies.domain import IntArray

Value_co = TypeVar("Value_co", covariant=True)


class Kind(StrEnum):
    """What the answers to a control are; ``UNMEASURED`` where no measure knows them."""

    CHOICES = "choices"  # tuple of labels
    TAXONOMY = "taxonomy"  # tuple of paths from the root
    PAIRWISE = "pairwise"  # the side that was picked
    RATING = "rating"  # float
    NUMBER = "number"  # float
    DATETIME = "datetime"  # float: seconds since 1970, UTC where no zone is given
    TEXT = "text"  # str
    RANKING = "ranking"  # Ranking
    REGIONS = "regions"  # tuple of Region
    RELATIONS = "relations"  # tuple of Relation
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of one text.

    ``container`` tells paragraphs, or nodes of a page, apart; spans of two of them never overlap.
    """

    start: int
    end: int
    container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of a sound, a series or a timeline; an instant where start is end."""

    start: float
    end: float
    container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle along the axes."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A closed polygon; ellipses and rotated rectangles are given by their corners too."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A key point; distances are shares of the image's diagonal."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """Painted pixels as runs ``[start, end)`` over the image's rows, sorted and apart."""

    width: int
    height: int
    runs: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """Where a tracked rectangle is in one frame; it is turned about its top left corner."""

    frame: int
    x: float
    y: float
    width: float
    height: float
    rotation: float
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A rectangle through a video: between key frames it moves evenly.

    It is shown from an enabled key frame to the next one, the last enabled one to the end of the
    video, which has ``frames`` frames, numbered from 1. ``aspect`` is width by height in pixels.
    """

    keyframes: tuple[Keyframe, ...]
    frames: int
    aspect: float = 1.0


Shape = Span | Interval | Box | Outline | Point | Mask | Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A marked part of the task and what it was called."""

    shape: Shape
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """An arrow between two regions; ``directed`` is false where it points both ways or nowhere."""

    source: Region
    target: Region
    labels: tuple[str, ...] = ()
    directed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Items in order, in each of the named columns; a plain ranking has one column."""

    columns: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute(Generic[Value_co]):
    """What was said of one region, not of the task."""

    region: Region
    value: Value_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Value_co]):
    """What one annotator answered to one control on one task; both are given by their place."""

    task: int
    annotator: int
    value: Value_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """All answers to one control.

    The values are those of ``kind``; with ``per_region`` each is a tuple of ``Attribute`` with
    such values. ``type`` is the tool's own name. ``texts`` has the text that spans are marked in,
    by task, where it is known.
    """

    name: str
    type: str
    kind: Kind
    per_region: bool
    answers: tuple[Answer[Any], ...]
    texts: dict[int, str]
