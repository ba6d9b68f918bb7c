"""Conditions in words, as the reasons of decisions give them."""

from __future__ import annotations

from collections.abc import Iterable

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
    Range,
    RegionCount,
    Score,
    Source,
    TaskField,
    UpstreamDisagreement,
    VersionDisagreement,
)


def described(condition: Condition) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind
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
        case Novelty():
            return f"the distance to the training data is {_limit(condition)}"
        case NearDuplicateOf():
            return f"its similarity to a human-labelled task is above {condition.above:g}"
        case VersionDisagreement():
            return "the version that served before predicts another label"
        case ModelDisagreement():
            return "the second model gives another answer"
        case UpstreamDisagreement():
            return f"the task's {condition.field} holds another label"
        case RegionCount():
            return f"the number of regions {_counted(condition)}"
        case LowestRegionScore():
            return f"the lowest score of a region is {_limit(condition)}"
        case IntervalWidth():
            return f"the width of the predicted number's interval is {_limit(condition)}"
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


def _limit(limit: Score | Margin | Entropy | Novelty | LowestRegionScore | IntervalWidth) -> str:
    return f"below {limit.below:g}" if limit.below is not None else f"above {limit.above:g}"


def _counted(count: RegionCount) -> str:
    if count.range is not None:
        return _ranged(count.range)
    return f"is below {count.below}" if count.below is not None else f"is above {count.above}"


def _compared(field: TaskField) -> str:
    if field.regex is not None:
        return f"matches {field.regex!r}"
    if field.range is None:
        return f"is one of {listed(field.values)}"
    return _ranged(field.range)


def _ranged(limits: Range) -> str:
    low, high = limits.min, limits.max
    if low is not None and high is not None:
        return f"is from {low:g} to {high:g}"
    return f"is {high:g} or less" if low is None else f"is {low:g} or more"
