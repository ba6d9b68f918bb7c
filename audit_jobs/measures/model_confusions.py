"""Which labels a model takes for which others, more often than its errors would by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.stats import beta, binom

from audit_jobs.measures.confusions import FALSE_DISCOVERIES, LabelConfusions
from audit_jobs.measures.corrections import Answers
from audit_jobs.measures.multiple_tests import adjusted
from policies.domain import Estimate, FloatArray, IntArray
from policies.intervals import wilson

MOST_EXAMPLES = 20
# Under so many training examples of a label, or half of what an ordinary label has, it is rare.
FEW_EXAMPLES = 30


class Lack(StrEnum):
    """What a systematic confusion asks for."""

    TRAINING = "training data"
    GUIDELINE = "guideline"
    BOTH = "training data and guideline"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Tasks that the model gives the label ``predicted`` and people ``said`` another.

    ``rate`` is their share of the answers to what was predicted so. ``lift`` is how many times as
    often it is as if errors on ``predicted`` were spread over the other labels as often as people
    give these; its ``n`` is the number of those errors. ``p_value`` is the chance of so many,
    adjusted for the number of pairs of labels; None where there is no other label to confuse with.
    """

    predicted: str
    said: str
    count: int
    shown: int  # of them, those where the person saw the model's label
    rate: Estimate
    lift: Estimate
    p_value: float | None
    examples: tuple[str, ...]
    lacks: Lack | None = None

    @property
    def systematic(self) -> bool:
        """Far more often than chance would make it."""
        return self.p_value is not None and self.p_value <= FALSE_DISCOVERIES

    def as_json(self) -> dict[str, Any]:
        """Plain values for reports; ``lift`` is the bare figure, its bounds stand beside it."""
        return {
            "from": self.predicted,
            "to": self.said,
            "count": self.count,
            "shown": self.shown,
            "rate": self.rate.as_json(),
            "lift": self.lift.value,
            "lift_low": self.lift.low,
            "lift_high": self.lift.high,
            "p_value": self.p_value,
            "systematic": self.systematic,
            "lacks": self.lacks,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What tells a lack of examples from a lack of words, as far as it is known.

    ``examples`` has the training examples of each label (None: not known), ``unclear`` the pairs of
    labels, in both orders, that people mix up among themselves (None: nobody answered twice).
    """

    examples: Mapping[str, int] | None = None
    unclear: frozenset[tuple[str, str]] | None = None


def unclear_pairs(found: LabelConfusions, labels: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """The pairs of labels, in both orders, that people mix up far more often than by chance."""
    chosen = np.flatnonzero(found.conspicuous & (found.lift > 1))
    one = [labels[code] for code in found.first[chosen].tolist()]
    other = [labels[code] for code in found.second[chosen].tolist()]
    return frozenset([*zip(one, other, strict=True), *zip(other, one, strict=True)])


def model_confusions(
    answers: Answers, most: int, background: Background | None = None
) -> tuple[list[Confusion], int]:
    """The most frequent confusions first, and how many pairs of labels are confused in all."""
    size = len(answers.labels)
    wrong = np.flatnonzero(answers.corrected)
    pairs = answers.predicted[wrong] * size + answers.said[wrong]
    keys, counted = np.unique(pairs, return_counts=True)
    predicted, said = np.divmod(keys, max(1, size))
    asked = np.bincount(answers.predicted, minlength=size)[predicted]
    errors = np.bincount(answers.predicted[wrong], minlength=size)[predicted]
    given = np.bincount(answers.said, minlength=size) / max(1, len(answers))
    chance: FloatArray = np.minimum(1.0, given[said] / (1 - given[predicted]))
    p_value: FloatArray = np.full(len(keys), np.nan)
    if size > 2 and len(keys):
        p_value = adjusted(_chances(counted, errors, chance), size * (size - 1))
    with np.errstate(invalid="ignore"):
        lift = counted / errors / chance
    order = np.lexsort((keys, -lift, -counted))
    found = []
    for row in order[:most].tolist():
        where = wrong[pairs == keys[row]]
        found.append(
            Confusion(
                predicted=answers.labels[predicted[row]],
                said=answers.labels[said[row]],
                count=int(counted[row]),
                shown=int(answers.shown[where].sum()),
                rate=wilson(int(counted[row]), int(asked[row])),
                lift=_lift(int(counted[row]), int(errors[row]), float(chance[row])),
                p_value=None if np.isnan(p_value[row]) else float(p_value[row]),
                examples=tuple(
                    dict.fromkeys(answers.ids[place] for place in where[:MOST_EXAMPLES].tolist())
                ),
            )
        )
    return [_explained(each, background or Background()) for each in found], len(keys)


def _chances(counted: IntArray, errors: IntArray, chance: FloatArray) -> FloatArray:
    """Mid-p chances of so many or more: the chance of exactly so many counts half."""
    above = binom.sf(counted, errors, chance)
    return np.asarray(above + binom.pmf(counted, errors, chance) / 2, dtype=np.float64)


def _lift(count: int, errors: int, chance: float) -> Estimate:
    """The share of the errors over the chance, with the exact interval (Clopper, Pearson 1934)."""
    high = 1.0 if count == errors else float(beta.ppf(0.975, count + 1, errors - count))
    low = float(beta.ppf(0.025, count, errors - count + 1))
    return Estimate(value=count / errors / chance, low=low / chance, high=high / chance, n=errors)


def _explained(confusion: Confusion, background: Background) -> Confusion:
    """A systematic confusion with what it asks for; None where nothing is known of either."""
    if not confusion.systematic or (background.examples is None and background.unclear is None):
        return confusion
    unclear = (confusion.predicted, confusion.said) in (background.unclear or ())
    rare = background.examples is not None and _rare(background.examples, confusion.said)
    if unclear:
        lacks = Lack.BOTH if rare else Lack.GUIDELINE
    elif rare:
        lacks = Lack.TRAINING
    elif background.examples is None or background.unclear is None:
        return confusion  # what is not known may be what lacks
    else:
        lacks = Lack.MODEL
    return replace(confusion, lacks=lacks)


def _rare(examples: Mapping[str, int], label: str) -> bool:
    ordinary = float(np.median(list(examples.values()))) if examples else 0.0
    return examples.get(label, 0) < max(FEW_EXAMPLES, ordinary / 2)
