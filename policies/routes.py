"""What a route can look at: conditions with an explicit kind, combined by all, any and not.

A route is a condition with the tier that it sends tasks to. The kinds say data, never code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from policies.sections import Labels, Scalar, Scalars, Section, Share, Text

# Kinds whose key says them too: ``all: [...]`` needs no ``kind: all`` beside it.
COMBINED = ("all", "any", "not")
# What a model's answer must come with, as ``Candidates.signals``, where a policy asks for it.
MARGIN, ENTROPY, CLASS_SUPPORT = SIGNALS = ("margin", "entropy", "class_support")


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
    labels: Labels = Field(alias="in")


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

    min: float | None = None
    max: float | None = None


class TaskField(Section):
    """A field of the task's data: exactly one of ``equals``, ``in``, ``regex`` and ``range``."""

    kind: Literal["task_field"]
    field: Text
    equals: Scalar | None = None
    one_of: Scalars | None = Field(default=None, alias="in")
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
    sources: Scalars = Field(alias="in")


class ClassSupport(Section):
    """The model was trained on fewer human examples than this of the label that it predicts."""

    kind: Literal["class_support"]
    below: Annotated[int, Field(ge=1)]


class RandomShare(Section):
    """A reproducible random share of the tasks."""

    kind: Literal["random_share"]
    share: Annotated[float, Field(gt=0, le=1)]


class AllOf(Section):
    """Every one of the conditions matches."""

    kind: Literal["all"] = "all"
    conditions: Annotated[tuple[Condition, ...], Field(strict=False, min_length=1)] = Field(
        alias="all"
    )


class AnyOf(Section):
    """At least one of the conditions matches."""

    kind: Literal["any"] = "any"
    conditions: Annotated[tuple[Condition, ...], Field(strict=False, min_length=1)] = Field(
        alias="any"
    )


class Not(Section):
    """The condition is known not to match."""

    kind: Literal["not"] = "not"
    condition: Condition = Field(alias="not")


Condition = Annotated[
    Annotated[PredictedLabel, Tag("(predicted_label)")]
    | Annotated[Score, Tag("(score)")]
    | Annotated[Margin, Tag("(margin)")]
    | Annotated[Entropy, Tag("(entropy)")]
    | Annotated[TaskField, Tag("(task_field)")]
    | Annotated[Source, Tag("(source)")]
    | Annotated[ClassSupport, Tag("(class_support)")]
    | Annotated[RandomShare, Tag("(random_share)")]
    | Annotated[AllOf, Tag("(all)")]
    | Annotated[AnyOf, Tag("(any)")]
    | Annotated[Not, Tag("(not)")],
    Discriminator(kind_of),
]
for _combined in (AllOf, AnyOf, Not):
    _combined.model_rebuild()


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


def parts_of(condition: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    """The conditions that a combined one is made of, with their places; none for a simple one."""
    if isinstance(condition, (AllOf, AnyOf)):
        for index, part in enumerate(condition.conditions):
            yield f"{path}.{condition.kind}[{index}]", part
    elif isinstance(condition, Not):
        yield f"{path}.not", condition.condition


def described(condition: Condition) -> str:  # noqa: C901, PLR0911 - one return for each kind
    """The condition in words, as reasons give it.

    >>> described(Score(kind="score", below=0.8))
    'the score is below 0.8'
    """
    match condition:
        case PredictedLabel():
            return f"the predicted label is one of {listed(condition.labels)}"
        case Score():
            return f"the score is {_limit(condition)}"
        case Margin():
            return f"the margin between the two best labels is {_limit(condition)}"
        case Entropy():
            return f"the entropy of the labels' probabilities is {_limit(condition)}"
        case TaskField():
            return f"the task's {condition.field} {_compared(condition)}"
        case Source():
            return f"the task's source is one of {listed(condition.sources)}"
        case ClassSupport():
            return f"the model was trained on fewer than {condition.below} of the predicted label"
        case RandomShare():
            return f"drawn at random ({condition.share:.1%} of the tasks)"
        case AllOf():
            return " and ".join(map(_bracketed, condition.conditions))
        case AnyOf():
            return " or ".join(map(_bracketed, condition.conditions))
        case Not():
            return f"not ({described(condition.condition)})"


def listed(values: Iterable[str | bool | float]) -> str:
    """Values as messages give them."""
    return ", ".join(repr(value) for value in values)


def _bracketed(condition: Condition) -> str:
    words = described(condition)
    return f"({words})" if isinstance(condition, (AllOf, AnyOf)) else words


def _limit(limit: _Limit) -> str:
    return f"below {limit.below:g}" if limit.below is not None else f"above {limit.above:g}"


def _compared(field: TaskField) -> str:
    if field.regex is not None:
        return f"matches {field.regex!r}"
    if field.range is None:
        return f"is one of {listed(field.values)}"
    low, high = field.range.min, field.range.max
    if low is not None and high is not None:
        return f"is from {low:g} to {high:g}"
    return f"is {high:g} or less" if low is None else f"is {low:g} or more"
