"""Labels that need no model: twins of labelled tasks, languages, formats, boilerplate.

The rules are asked in the order of the policy; the first with an answer gives the label. A label
that the labelling config does not offer is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from backend.predictors.inputs import without_tags
from backend.predictors.memory.twins import Nearest
from backend.predictors.rules.formats import format_of
from backend.predictors.rules.language import language_of
from connectors.label_studio.answers import offers
from connectors.label_studio.labeling import InputKind, Labeling
from policies import patterns
from policies.automation import (
    AutomationRule,
    Boilerplate,
    ExactDuplicate,
    Format,
    Language,
    NearDuplicate,
)
from policies.domain import FloatArray, ObjectArray

# A label with its score, or None.
Answer = tuple[str, float] | None
# The most similar human-labelled task of each of the tasks, and the label of those that are equal.
TwinsFound = tuple[Nearest | None, ObjectArray | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswers:
    """In columns: label, score and the name of the rule; None and NaN where none has an answer."""

    labels: ObjectArray
    scores: FloatArray
    names: ObjectArray


def rule_answers(
    rules: Sequence[AutomationRule],
    labeling: Labeling,
    data: Sequence[Mapping[str, Any]],
    twins: TwinsFound,
) -> RuleAnswers:
    """What the rules say of tasks with this data."""
    labels, names = (np.full(len(data), None, object) for _ in range(2))
    scores = np.full(len(data), np.nan)
    for rule in rules:
        ask = _asking(rule, labeling, data, twins)
        for row in np.flatnonzero(names == None).tolist():  # noqa: E711 - for each element
            answer = ask(row)
            if answer is not None and offers(labeling, answer[0]) is None:
                labels[row], scores[row] = answer
                names[row] = rule.name
    return RuleAnswers(labels=labels, scores=scores, names=names)


def _asking(
    rule: AutomationRule,
    labeling: Labeling,
    data: Sequence[Mapping[str, Any]],
    twins: TwinsFound,
) -> Callable[[int], Answer]:
    """The rule as a question about one row."""
    nearest, exact = twins
    match rule:
        case ExactDuplicate():
            return lambda row: None if exact is None else _sure(exact[row])
        case NearDuplicate():
            return lambda row: None if nearest is None else _twin(rule, nearest, row)
        case Language() | Format() | Boilerplate():
            field = rule.field or labeling.data_key
            # A page is read in its language without its tags; its format and boilerplate with them.
            shown = field == labeling.data_key and labeling.input_kind is InputKind.HYPERTEXT
            stripped = shown and isinstance(rule, Language)
            return lambda row: _read(rule, _text(data[row].get(field)), stripped=stripped)
        case _:
            assert_never(rule)


def _read(rule: Language | Format | Boilerplate, text: str | None, *, stripped: bool) -> Answer:
    if text is None:
        return None
    match rule:
        case Language():
            found = language_of(without_tags(text) if stripped else text)
            label = None if found is None else rule.labels.get(found[0])
            return None if found is None or label is None else (label, found[1])
        case Format():
            formats: Mapping[str, str] = {str(name): label for name, label in rule.labels.items()}
            return _sure(formats.get(format_of(text) or ""))
        case Boilerplate():
            return (rule.label, 1.0) if patterns.occurs(rule.regex, text) else None


def _sure(label: str | None) -> Answer:
    return None if label is None else (label, 1.0)


def _twin(rule: NearDuplicate, nearest: Nearest, row: int) -> Answer:
    label, similarity = nearest.labels[row], float(nearest.similarity[row])
    return None if label is None or similarity < rule.similarity else (label, similarity)


def _text(value: Any) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
