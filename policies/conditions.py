"""What a route can look at: conditions with an explicit kind, combined by all, any and not.

The kinds say data, never code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from policies.sections import Labels, Scalar, Scalars, Section, Share, Text

# Kinds whose key says them too: ``all: [...]`` needs no ``kind: all`` beside it.
COMBINED = ("all", "any", "not")
# What a model's answer must come with, as ``Candidates.signals``, where a policy asks for it.
MARGIN, ENTROPY, CLASS_SUPPORT = "margin", "entropy", "class_support"
NOVELTY, NEAR_DUPLICATE = "novelty", "near_duplicate"
VERSION_DISAGREEMENT, MODEL_DISAGREEMENT = "version_disagreement", "model_disagreement"
REGION_SIGNALS = REGION_COUNT, LOWEST_REGION_SCORE = ("region_count", "lowest_region_score")
INTERVAL_WIDTH = "interval_width"
SIGNALS = (
    *(MARGIN, ENTROPY, CLASS_SUPPORT, NOVELTY, NEAR_DUPLICATE, VERSION_DISAGREEMENT),
    MODEL_DISAGREEMENT,
    *REGION_SIGNALS,
    INTERVAL_WIDTH,
)


def kind_of(value: Any) -> str | None:
    """The tag of a condition, in brackets so that no key of the file can be taken for it."""
    if not isinstance(value, Mapping):
        kind = getattr(value, "kind", None)
    elif "kind" in value:
        kind = value["kind"]
    else:
        kind = next((key for key in COMBINED if key in value), None)
    return None if kind is None else f"({kind})"


class PredictedLabel(Section):
    """The label that the model predicts is one of these."""

    kind: Literal["predicted_label"]
    labels: Labels = Field(alias="in", description="The labels that match.")


class _Limit(Section):
    below: Share | None = Field(default=None, description="Matches less than this.")
    above: Share | None = Field(default=None, description="Matches more than this.")


class Score(_Limit):
    """The calibrated probability of the predicted label; one of ``below`` and ``above``."""

    kind: Literal["score"]


class Margin(_Limit):
    """The best label's probability less that of the second best."""

    kind: Literal["margin"]


class Entropy(_Limit):
    """The entropy of all labels' probabilities: 0 for a sure model, 1 for one with no idea."""

    kind: Literal["entropy"]


class Range(Section):
    """From ``min`` to ``max``, both included; one of them may be left out."""

    min: float | None = Field(default=None, description="Default: no limit below.")
    max: float | None = Field(default=None, description="Default: no limit above.")


class TaskField(Section):
    """A field of the task's data: exactly one of ``equals``, ``in``, ``regex`` and ``range``."""

    kind: Literal["task_field"]
    field: Text = Field(description="Its name in the task's data.")
    equals: Scalar | None = Field(default=None, description="The one value that matches.")
    one_of: Scalars | None = Field(default=None, alias="in", description="The values that match.")
    regex: Text | None = Field(
        default=None, description="Found anywhere in the first 500 characters of a text."
    )
    range: Range | None = None

    @property
    def values(self) -> tuple[str | bool | float, ...]:
        """The values that match, however the file wrote them."""
        if self.one_of is not None:
            return self.one_of
        return () if self.equals is None else (self.equals,)


class Source(Section):
    """Where the task comes from: short for the task's field ``source``."""

    kind: Literal["source"]
    sources: Scalars = Field(alias="in", description="The sources that match.")


class ClassSupport(Section):
    """The model was trained on fewer human examples than this of the label that it predicts."""

    kind: Literal["class_support"]
    below: Annotated[int, Field(ge=1)] = Field(description="Matches fewer examples than this.")


class Novelty(_Limit):
    """How far the task is from everything that the model was trained on: 0 a copy, 1 unlike all."""

    kind: Literal["novelty"]


class NearDuplicateOf(Section):
    """A human-labelled task is more similar to this one than the limit; 1 is a copy."""

    kind: Literal["near_duplicate"]
    above: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        description="Matches a higher similarity than this."
    )


class VersionDisagreement(Section):
    """The model version that served before predicts another label."""

    kind: Literal["version_disagreement"]


class ModelDisagreement(Section):
    """The policy's second model gives another answer."""

    kind: Literal["model_disagreement"]


class UpstreamDisagreement(Section):
    """A field of the task's data holds another model's label, and it is not the predicted one."""

    kind: Literal["upstream_disagreement"]
    field: Text = Field(description="The field that holds the other model's label.")


class RegionCount(Section):
    """How many regions the model drew; one of ``below``, ``above`` and ``range``."""

    kind: Literal["region_count"]
    below: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Matches fewer regions than this."
    )
    above: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Matches more regions than this."
    )
    range: Range | None = None


class LowestRegionScore(_Limit):
    """The score of the region that the model is least sure of."""

    kind: Literal["lowest_region_score"]


class IntervalWidth(Section):
    """How wide the interval is in which the predicted number lies; ``below`` or ``above``."""

    kind: Literal["interval_width"]
    below: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Matches less than this, in the unit of the answer."
    )
    above: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Matches more than this, in the unit of the answer."
    )


class RandomShare(Section):
    """A reproducible random share of the tasks."""

    kind: Literal["random_share"]
    share: Annotated[float, Field(gt=0, le=1)] = Field(description="Of all tasks.")


class AllOf(Section):
    """Every one of the conditions matches."""

    kind: Literal["all"] = "all"
    conditions: Annotated[tuple[Condition, ...], Field(strict=False, min_length=1)] = Field(
        alias="all", description="The conditions that must all match."
    )


class AnyOf(Section):
    """At least one of the conditions matches."""

    kind: Literal["any"] = "any"
    conditions: Annotated[tuple[Condition, ...], Field(strict=False, min_length=1)] = Field(
        alias="any", description="The conditions of which one must match."
    )


class Not(Section):
    """The condition is known not to match."""

    kind: Literal["not"] = "not"
    condition: Condition = Field(alias="not", description="The condition that must not match.")


Condition = Annotated[
    Annotated[PredictedLabel, Tag("(predicted_label)")]
    | Annotated[Score, Tag("(score)")]
    | Annotated[Margin, Tag("(margin)")]
    | Annotated[Entropy, Tag("(entropy)")]
    | Annotated[TaskField, Tag("(task_field)")]
    | Annotated[Source, Tag("(source)")]
    | Annotated[ClassSupport, Tag("(class_support)")]
    | Annotated[Novelty, Tag("(novelty)")]
    | Annotated[NearDuplicateOf, Tag("(near_duplicate)")]
    | Annotated[VersionDisagreement, Tag("(version_disagreement)")]
    | Annotated[ModelDisagreement, Tag("(model_disagreement)")]
    | Annotated[UpstreamDisagreement, Tag("(upstream_disagreement)")]
    | Annotated[RegionCount, Tag("(region_count)")]
    | Annotated[LowestRegionScore, Tag("(lowest_region_score)")]
    | Annotated[IntervalWidth, Tag("(interval_width)")]
    | Annotated[RandomShare, Tag("(random_share)")]
    | Annotated[AllOf, Tag("(all)")]
    | Annotated[AnyOf, Tag("(any)")]
    | Annotated[Not, Tag("(not)")],
    Discriminator(kind_of),
]
for _combined in (AllOf, AnyOf, Not):
    _combined.model_rebuild()


def parts_of(condition: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    """The conditions that a combined one is made of, with their places; none for a simple one."""
    if isinstance(condition, (AllOf, AnyOf)):
        for index, part in enumerate(condition.conditions):
            yield f"{path}.{condition.kind}[{index}]", part
    elif isinstance(condition, Not):
        yield f"{path}.not", condition.condition
