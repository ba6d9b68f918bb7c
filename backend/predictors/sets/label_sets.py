"""From each label's probability to a set of labels: thresholds, and how sure the whole set is.

A label is in the set where its probability reaches its threshold; no threshold is above one half,
so a label that is more likely right than wrong is always in. Where people never leave a set empty
the likeliest label stands in for none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from policies.domain import BoolArray, FloatArray

_GRID = np.linspace(0.1, 0.5, 9)
# A label has a threshold of its own where so many held-out examples have it: with fewer it follows
# noise, and the common one does better on new texts.
_ENOUGH = 50
_ROUNDS = 2
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRule:
    """The threshold of each label, and whether a set may be empty."""

    thresholds: FloatArray
    may_be_empty: bool

    def sets(self, probabilities: FloatArray) -> BoolArray:
        """Which labels (columns) are in each row's set."""
        chosen = probabilities >= self.thresholds
        if not self.may_be_empty:
            empty = np.flatnonzero(~chosen.any(axis=1))
            chosen[empty, probabilities[empty].argmax(axis=1)] = True
        return chosen


def fit_rule(
    probabilities: FloatArray, truths: BoolArray, weights: FloatArray, *, may_be_empty: bool
) -> SetRule:
    """Thresholds for held-out rows that make micro-F1 plus the share of sets exactly right largest.

    One threshold for all labels first; then, label by label from the most frequent, one that does
    better still.
    """
    labels = truths.shape[1]
    if not len(truths):
        return SetRule(thresholds=np.full(labels, 0.5), may_be_empty=may_be_empty)
    common = max(
        _GRID.tolist(),
        key=lambda tried: _worth_of(
            SetRule(thresholds=np.full(labels, tried), may_be_empty=may_be_empty),
            probabilities,
            truths,
            weights,
        ),
    )
    thresholds = np.full(labels, common)
    tuning = _tuning(probabilities, truths, weights, may_be_empty=may_be_empty, common=common)
    frequencies = truths.sum(axis=0)
    for _ in range(_ROUNDS):
        for label in np.argsort(-frequencies, kind="stable").tolist():
            if frequencies[label] >= _ENOUGH:
                thresholds[label] = tuning.best(label, float(thresholds[label]))
    return SetRule(thresholds=thresholds, may_be_empty=may_be_empty)


def set_figures(probabilities: FloatArray, chosen: BoolArray) -> FloatArray:
    """What tells how sure a set is (rows, 3): log odds of product and least sure label, and size.

    The product takes every label's decision as independent of the others. On goemotions the three
    together rank better than any of them alone: area under the curve of sets exactly right 0.82,
    against 0.78 by the product and 0.76 by the least sure label.
    """
    decided = np.clip(np.where(chosen, probabilities, 1.0 - probabilities), _TINY, 1.0 - _TINY)
    product = np.clip(np.exp(np.log(decided).sum(axis=1)), _TINY, 1.0 - _TINY)
    return np.column_stack([logit(product), logit(decided.min(axis=1)), chosen.sum(axis=1) - 1.0])


def _worth_of(
    rule: SetRule, probabilities: FloatArray, truths: BoolArray, weights: FloatArray
) -> float:
    chosen = rule.sets(probabilities)
    hits = weights @ (chosen & truths).sum(axis=1)
    said = weights @ chosen.sum(axis=1)
    return _worth(
        hits,
        said + weights @ truths.sum(axis=1),
        weights @ (chosen == truths).all(axis=1) / weights.sum(),
    )


def _worth(hits: float, said_and_true: float, exact: float) -> float:
    return 2.0 * hits / max(said_and_true, _TINY) + exact


@dataclass(slots=True, kw_only=True)
class _Tuning:
    """Held-out rows under thresholds that change one at a time, each change in time of one column.

    ``count`` is how many labels reach their threshold, ``hits`` how many of them are true, ``off``
    how many labels are decided wrongly; the stand-in of an empty set is counted apart.
    """

    probabilities: FloatArray
    truths: BoolArray
    weights: FloatArray
    stand_in: bool
    stand_in_hits: FloatArray
    stand_in_exact: BoolArray
    count: FloatArray
    hits: FloatArray
    off: FloatArray

    def best(self, label: int, now: float) -> float:
        """The threshold of a label that is best with the others as they are; it is taken."""
        before = self._column(label, now)
        others = (self.count - before[0], self.hits - before[1], self.off - before[2])
        found, best = now, self._worth(self.count, self.hits, self.off)
        for tried in _GRID.tolist():
            column = self._column(label, tried)
            worth = self._worth(others[0] + column[0], others[1] + column[1], others[2] + column[2])
            if worth > best + _TINY:
                found, best = tried, worth
        after = self._column(label, found)
        self.count, self.hits, self.off = (
            others[0] + after[0],
            others[1] + after[1],
            others[2] + after[2],
        )
        return found

    def _column(self, label: int, threshold: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        chosen = self.probabilities[:, label] >= threshold
        truth = self.truths[:, label]
        return (
            chosen.astype(np.float64),
            (chosen & truth).astype(np.float64),
            (chosen != truth).astype(np.float64),
        )

    def _worth(self, count: FloatArray, hits: FloatArray, off: FloatArray) -> float:
        exact = off == 0
        if self.stand_in:
            empty = count == 0
            exact = np.where(empty, self.stand_in_exact, exact)
            hits = np.where(empty, self.stand_in_hits, hits)
            count = np.maximum(count, 1.0)
        said_and_true = self.weights @ (count + self.truths.sum(axis=1))
        return _worth(
            float(self.weights @ hits),
            float(said_and_true),
            float(self.weights @ exact / self.weights.sum()),
        )


def _tuning(
    probabilities: FloatArray,
    truths: BoolArray,
    weights: FloatArray,
    *,
    may_be_empty: bool,
    common: float,
) -> _Tuning:
    """Held-out rows with one threshold for all labels."""
    chosen = probabilities >= common
    top = truths[np.arange(len(truths)), probabilities.argmax(axis=1)]
    return _Tuning(
        probabilities=probabilities,
        truths=truths,
        weights=weights,
        stand_in=not may_be_empty,
        stand_in_hits=top.astype(np.float64),
        stand_in_exact=top & (truths.sum(axis=1) == 1),
        count=chosen.sum(axis=1).astype(np.float64),
        hits=(chosen & truths).sum(axis=1).astype(np.float64),
        off=(chosen != truths).sum(axis=1).astype(np.float64),
    )
