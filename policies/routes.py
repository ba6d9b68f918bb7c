"""A route: a condition with the tier that it sends tasks to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Discriminator, Tag

from policies.conditions import (
    AllOf,
    AnyOf,
    ClassSupport,
    Condition,
    Entropy,
    IntervalWidth,
    LowestRegionScore,
    Margin,
    ModelDisagreement,
    NearDuplicateOf,
    Not,
    Novelty,
    PredictedLabel,
    RandomShare,
    RegionCount,
    Score,
    Source,
    TaskField,
    UpstreamDisagreement,
    VersionDisagreement,
    kind_of,
    parts_of,
)
from policies.sections import Section, Text


class _Sent(Section):
    tier: Text


class PredictedLabelRoute(_Sent, PredictedLabel):
    """Sends tasks to a tier by the label that the model predicts."""


class ScoreRoute(_Sent, Score):
    """Sends tasks to a tier by their score."""


class MarginRoute(_Sent, Margin):
    """Sends tasks to a tier by the margin between the two best labels."""


class EntropyRoute(_Sent, Entropy):
    """Sends tasks to a tier by the entropy of the probabilities."""


class TaskFieldRoute(_Sent, TaskField):
    """Sends tasks to a tier by a field of their data."""


class SourceRoute(_Sent, Source):
    """Sends tasks to a tier by where they come from."""


class ClassSupportRoute(_Sent, ClassSupport):
    """Sends tasks to a tier whose predicted label the model has hardly seen."""


class NoveltyRoute(_Sent, Novelty):
    """Sends tasks to a tier that are unlike what the model was trained on."""


class NearDuplicateRoute(_Sent, NearDuplicateOf):
    """Sends tasks to a tier that are much like one that a person has labelled."""


class VersionDisagreementRoute(_Sent, VersionDisagreement):
    """Sends tasks to a tier that two versions of the model label differently."""


class ModelDisagreementRoute(_Sent, ModelDisagreement):
    """Sends tasks to a tier that the second model answers differently."""


class UpstreamDisagreementRoute(_Sent, UpstreamDisagreement):
    """Sends tasks to a tier that another model labelled differently."""


class RegionCountRoute(_Sent, RegionCount):
    """Sends tasks to a tier by the number of regions that the model drew."""


class LowestRegionScoreRoute(_Sent, LowestRegionScore):
    """Sends tasks to a tier by the region that the model is least sure of."""


class IntervalWidthRoute(_Sent, IntervalWidth):
    """Sends tasks to a tier whose number the model knows roughly only."""


class RandomShareRoute(_Sent, RandomShare):
    """Sends a random share of the tasks to a tier."""


class AllOfRoute(_Sent, AllOf):
    """Sends tasks to a tier where every condition matches."""


class AnyOfRoute(_Sent, AnyOf):
    """Sends tasks to a tier where a condition matches."""


class NotRoute(_Sent, Not):
    """Sends tasks to a tier where the condition is known not to match."""


Route = Annotated[
    Annotated[PredictedLabelRoute, Tag("(predicted_label)")]
    | Annotated[ScoreRoute, Tag("(score)")]
    | Annotated[MarginRoute, Tag("(margin)")]
    | Annotated[EntropyRoute, Tag("(entropy)")]
    | Annotated[TaskFieldRoute, Tag("(task_field)")]
    | Annotated[SourceRoute, Tag("(source)")]
    | Annotated[ClassSupportRoute, Tag("(class_support)")]
    | Annotated[NoveltyRoute, Tag("(novelty)")]
    | Annotated[NearDuplicateRoute, Tag("(near_duplicate)")]
    | Annotated[VersionDisagreementRoute, Tag("(version_disagreement)")]
    | Annotated[ModelDisagreementRoute, Tag("(model_disagreement)")]
    | Annotated[UpstreamDisagreementRoute, Tag("(upstream_disagreement)")]
    | Annotated[RegionCountRoute, Tag("(region_count)")]
    | Annotated[LowestRegionScoreRoute, Tag("(lowest_region_score)")]
    | Annotated[IntervalWidthRoute, Tag("(interval_width)")]
    | Annotated[RandomShareRoute, Tag("(random_share)")]
    | Annotated[AllOfRoute, Tag("(all)")]
    | Annotated[AnyOfRoute, Tag("(any)")]
    | Annotated[NotRoute, Tag("(not)")],
    Discriminator(kind_of),
]


def leaves(routes: Iterable[Condition]) -> Iterator[tuple[str, Condition]]:
    """Every simple condition of the routes, with its place in the file."""
    for index, route in enumerate(routes):
        yield from _leaves(route, f"routes[{index}]")


def _leaves(condition: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    parts = tuple(parts_of(condition, path))
    if not parts:
        yield path, condition
    for place, part in parts:
        yield from _leaves(part, place)
