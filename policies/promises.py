"""What auto-accept promises, and for which answers each promise is proved on its own.

With probability ``confidence`` all of a policy's promises hold at once: the chance that one breaks
is split evenly over the groups of answers that are certified apart (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from policies.costs import Costs
from policies.domain import Candidates, IntArray
from policies.sections import Section, Text
from policies.thresholds import first_level

_ErrorRate = Annotated[float, Field(gt=0, lt=0.5)]
_Confidence = Annotated[float, Field(gt=0.5, lt=1)]
_Price = Annotated[float, Field(ge=0)]
# A predictor, and a label that is proved on its own (None: all its labels that are not).
Group = tuple[str, str | None]


class LabelPromise(Section):
    """A label's own promise; what it leaves out is the project's."""

    max_error_rate: _ErrorRate | None = Field(
        default=None, description="Of the accepts of this label; default: the project's."
    )
    confidence: _Confidence | None = Field(
        default=None, description="Of this label's promise alone; default: a share of the budget."
    )
    cost_of_error: _Price | None = Field(
        default=None, description="Of a wrong accept of this label; default: the project's."
    )


class AutoAccept(Section):
    """The promise: with this confidence, no more than this share of the accepts is wrong."""

    max_error_rate: _ErrorRate = Field(
        description="The largest share of the accepts that may be wrong."
    )
    confidence: _Confidence = Field(description="How surely the promise must hold.")
    cost_of_error: _Price | None = Field(
        default=None,
        description="What one wrong accept costs: of all proved thresholds the one is taken that "
        "costs least against the first tier's price of a look; default: the lowest.",
    )
    floor: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.70,
        description="No score under it is accepted, whatever is certified; default: by stakes.",
    )
    never: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Labels that always go to people."
    )
    each_label: bool = Field(
        default=False,
        description="Prove the promise for every label on its own, not over all labels together.",
    )
    labels: dict[Text, LabelPromise] = Field(
        default={}, description="Labels with promises of their own."
    )
    freeze_after_days: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Accepts that stand unchanged for so many days are frozen every night; "
        "default: an export alone freezes them.",
    )

    def of(self, label: str | None) -> LabelPromise:
        """What is promised for this label: its own figures, the project's where it has none."""
        own = self.labels.get(label, LabelPromise()) if label is not None else LabelPromise()
        cost = self.cost_of_error if own.cost_of_error is None else own.cost_of_error
        return LabelPromise(
            max_error_rate=own.max_error_rate or self.max_error_rate,
            confidence=own.confidence or self.confidence,
            cost_of_error=cost,
        )

    def group_label(self, label: str | None) -> str | None:
        """The label where its answers are proved on their own, None where with all others."""
        return label if self.each_label or label in self.labels else None

    def spends_its_own(self, label: str | None) -> bool:
        """Whether the label's promise has a confidence of its own, outside the shared budget."""
        own = self.labels.get(label) if label is not None else None
        return own is not None and own.confidence is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What must be proved for one group: a predictor's answers of one label, or of all others.

    ``confidence`` is what this group must reach so that all promises together hold as the policy
    says. ``costs`` picks among proved thresholds; None takes the lowest.
    """

    predictor: str
    label: str | None
    max_error_rate: float
    confidence: float
    costs: Costs | None


def promises_of(
    rule: AutoAccept, says: Mapping[str, Sequence[str]], review_cost: float
) -> tuple[Promise, ...]:
    """One promise for each group of answers.

    ``says`` holds the labels that each predictor can give, the model's under ``MODEL``. A label
    with a promise of its own (or with ``each_label`` every one) is a group, and what is left of a
    predictor's labels is another. A predictor without labels answers with numbers or texts, which
    are one group.
    """
    groups: list[Group] = [
        (predictor, label)
        for predictor, labels in says.items()
        if not labels or set(labels) - set(rule.never)
        for label in _own(rule, [each for each in labels if each not in rule.never])
    ]
    return tuple(_promise(rule, group, groups, review_cost) for group in groups)


def _own(rule: AutoAccept, labels: Sequence[str]) -> list[str | None]:
    if rule.each_label:
        return list(labels)
    rest = [None] if not labels or any(label not in rule.labels for label in labels) else []
    return [*rest, *(label for label in labels if label in rule.labels)]


def _promise(
    rule: AutoAccept, group: Group, groups: Sequence[Group], review_cost: float
) -> Promise:
    predictor, label = group
    wanted = rule.of(label)
    if rule.spends_its_own(label):  # shared by the predictors that can give the label
        shares = sum(1 for _, other in groups if other == label)
    else:
        shares = sum(1 for _, other in groups if not rule.spends_its_own(other))
    error = wanted.cost_of_error
    return Promise(
        predictor=predictor,
        label=label,
        max_error_rate=wanted.max_error_rate or rule.max_error_rate,
        confidence=1 - (1 - (wanted.confidence or rule.confidence)) / shares,
        costs=None if error is None else Costs(error=error, review=review_cost),
    )


def groups_of(rule: AutoAccept, keys: Sequence[Group], answers: Candidates) -> IntArray:
    """Each answer's place in ``keys``, groups as a ``Promise`` or a ``Certificate`` names them.

    -1 where its group is not among them: a label with a promise of its own never falls back on
    what was proved for the others.
    """
    places = {key: place for place, key in enumerate(keys)}
    said = list(zip(answers.predictors.tolist(), answers.labels.tolist(), strict=True))
    known = {
        (predictor, label): places.get((predictor, rule.group_label(label)), -1)
        for predictor, label in set(said)
    }
    return np.fromiter(map(known.__getitem__, said), np.int64, len(said))


def least_answers(promise: Promise | AutoAccept) -> int:
    """Control answers below which not even a faultless predictor could be certified."""
    level = first_level(promise.confidence)
    return math.ceil(math.log(level) / math.log1p(-promise.max_error_rate))
