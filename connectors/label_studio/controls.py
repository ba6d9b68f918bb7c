"""The words for what a labelling config asks: its controls, what they show, how they answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LabelingError(ValueError):
    """The labelling config has no control that Labelgate supports, or is no XML at all."""


class InputKind(StrEnum):
    """What the labelled object shows; ``OTHER`` is read by no model of Labelgate's own."""

    TEXT = "text"
    HYPERTEXT = "hypertext"
    IMAGE = "image"
    TABLE = "table"
    LIST = "list"
    PAIR = "pair"
    OTHER = "other"


class ControlKind(StrEnum):
    """What one control's answer is, and so how ``policies.answer_texts`` writes it."""

    CHOICE = "choice"  # one of the labels (a taxonomy of which one path is picked, too)
    CHOICES = "choices"  # a set of the labels
    TAXONOMY = "taxonomy"  # a set of paths
    RATING = "rating"  # one of "1", "2", ...
    NUMBER = "number"
    PAIRWISE = "pairwise"  # "left" or "right"
    SPANS = "spans"  # marked stretches of a text
    REGIONS = "regions"  # any other marked parts: boxes, polygons, ...
    RANKING = "ranking"  # items of a list in order, or in buckets
    TEXT = "text"  # written by people


# Kinds whose answer is one of the labels, written as it is.
ONE_OF_A_LIST = (ControlKind.CHOICE, ControlKind.RATING, ControlKind.PAIRWISE)
# Kinds whose answer has several parts, or none: that nothing is marked is an answer as well.
OF_PARTS = (ControlKind.CHOICES, ControlKind.TAXONOMY, ControlKind.SPANS, ControlKind.REGIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of a labelling config.

    ``name`` is the ``from_name`` of its results, ``tag`` the element in lower case, ``labels`` what
    its answers can be made of, in the order of the config (an ``alias`` stands in for its value, as
    in results): choices, paths as ``path_text`` writes them, ratings, sides; () for numbers, texts
    and rankings. ``data_keys`` are the keys of the task's data that its objects show (``$text`` ->
    "text"): one, and two for a pair. ``paths`` are those of a taxonomy, one for each label.
    ``buckets`` are those that a ranker sorts into, in the order of the config; () where it puts all
    items in one order.
    """

    name: str
    tag: str
    kind: ControlKind
    to_names: tuple[str, ...]
    labels: tuple[str, ...]
    input_kind: InputKind
    data_keys: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[str, ...] = ()
