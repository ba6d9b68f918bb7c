"""Gold: how far a consensus and each annotator are right where the true label is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.consensus import Consensus
from audit_jobs.measures.ratings import Ratings
from policies.domain import Estimate, IntArray
from policies.intervals import exact_upper, wilson

_NO_GOLD, _NEVER_GIVEN = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """The true label of some units, as codes of the ratings.

    ``codes`` has one for each unit: -1 where the true label is not known, -2 where nobody ever
    gave it to anything, so that every answer is wrong.
    """

    codes: IntArray
    matched: int  # units whose true label is known
    unknown: int  # items of the gold file that are no units of these ratings

    @property
    def known(self) -> IntArray:
        """The units whose true label is known."""
        return np.flatnonzero(self.codes != _NO_GOLD)


def gold_of(ratings: Ratings, labels: Mapping[str, str]) -> Gold:
    """Look the true labels of units, by their names, up in the ratings."""
    places = {label: place for place, label in enumerate(ratings.categories)}
    codes = [
        places.get(labels[name], _NEVER_GIVEN) if name in labels else _NO_GOLD
        for name in ratings.unit_names
    ]
    matched = sum(code != _NO_GOLD for code in codes)
    return Gold(
        codes=np.array(codes, dtype=np.int64), matched=matched, unknown=len(labels) - matched
    )


def accuracy(consensus: Consensus, gold: Gold) -> Estimate:
    """The share of gold units whose consensus is right, with a Wilson interval.

    A tie counts as its chance: where two labels stand highest and one is right, half.
    """
    codes = gold.codes[consensus.leading_units]
    units = consensus.leading_units[codes != _NO_GOLD]
    right = units[(codes == consensus.leading_labels)[codes != _NO_GOLD]]
    sharing = np.bincount(units, minlength=len(gold.codes))
    return wilson(float((1 / sharing[right]).sum()), len(np.unique(units)))


def gold_scores(ratings: Ratings, gold: Gold, confidence: float = 0.95) -> tuple[Estimate, ...]:
    """By rater, the share of right answers to gold units, with a Wilson interval."""
    raters = len(ratings.rater_names)
    codes = gold.codes[ratings.units]
    asked = np.bincount(ratings.raters[codes != _NO_GOLD], minlength=raters)
    right = np.bincount(ratings.raters[codes == ratings.values], minlength=raters)
    return tuple(
        wilson(hits, n, confidence) for hits, n in zip(right.tolist(), asked.tolist(), strict=True)
    )


def below(score: Estimate, minimum: float) -> bool:
    """Whether an annotator is under the policy's minimum for certain, not by a few unlucky answers.

    The whole interval must lie under it: the upper bound decides, so that nobody is barred by
    noise, and nobody who has not answered any gold. Wilson's bound is too low for a handful of
    answers (one wrong answer of one has 0.79), so the exact bound, under which at most one
    annotator of forty at the minimum is barred, must lie under it too: for a minimum of 0.8 three
    wrong answers of three are enough, two of two are not. The price: who is just under the minimum
    stays until there are answers enough to tell.

    >>> below(wilson(0, 2), 0.8), below(wilson(0, 3), 0.8), below(wilson(14, 20), 0.8)
    (False, True, False)
    """
    if score.value is None or score.high is None:
        return False
    exact = exact_upper(round(score.value * score.n), score.n, 0.975)
    return max(score.high, exact) < minimum
