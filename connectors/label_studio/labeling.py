"""Labelling config XML -> what Labelgate can predict: one choice on a text or an image. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LabelingError(ValueError):
    """The labelling config has no control that Labelgate supports, or is no XML at all."""


class InputKind(StrEnum):
    """What the labelled object shows."""

    TEXT = "text"
    HYPERTEXT = "hypertext"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """The supported control of a config: ``<Choices name=from_name toName=to_name>`` on one object.

    ``data_key`` is the task-data key that the object shows (``$text`` -> "text"), ``labels`` the
    choice values in the order of the config (an ``alias`` stands in for its value, as in results).
    """

    from_name: str
    to_name: str
    input_kind: InputKind
    data_key: str
    labels: tuple[str, ...]
