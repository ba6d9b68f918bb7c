"""One label for each unit out of several people's: majority, and weighted by annotator quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.ratings import Ratings
from audit_jobs.measures.tally import (
    Tally,
    by_unit,
    label_of_the_others,
    leading,
    scored,
    tally_of,
)
from policies.domain import BoolArray, FloatArray, IntArray

# How many answers of an average annotator a new annotator's record starts with.
_STARTING_ANSWERS = 2.0


class ConsensusError(ValueError):
    """A consensus that cannot be computed; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus:
    """One label for each unit, how sure it is, and how good each rater is by the same method.

    ``confidence`` is a share of the votes for "majority" and "weighted", and a probability under
    the method's model for the others; NaN where nothing tells it. Only a probability says
    anything about a unit with a single answer.
    """

    method: str
    labels: IntArray  # by unit: code of the label, -1 where nobody rated it; ties: first in order
    confidence: FloatArray  # by unit
    leading_units: IntArray  # every label that stands highest; more than one a unit where tied
    leading_labels: IntArray
    quality: FloatArray  # by rater: the method's own figure, 0 to 1; NaN where nothing tells it
    others: IntArray  # by rating: the label that its unit would have without it, -1 where none
    converged: bool = True

    @property
    def tied(self) -> IntArray:
        """The units whose highest place is shared."""
        shared: IntArray = np.flatnonzero(np.bincount(self.leading_units) > 1)
        return shared


def majority(ratings: Ratings) -> Consensus:
    """The label that most people gave; confidence is its share of the unit's answers.

    A rater's quality is the share of his answers that the majority of the others gave too.
    """
    tally = tally_of(ratings)
    weights = np.ones(len(ratings.rater_names))
    scores = scored(tally, ratings, weights)
    others = label_of_the_others(tally, ratings, scores, weights)
    return elected(
        "majority",
        tally,
        scores,
        confidence=_shares(tally, scores),
        quality=share_beside(ratings, others),
        others=others,
    )


def weighted(ratings: Ratings) -> Consensus:
    """A vote in which each rater weighs as much as he agrees with the others; one pass.

    The weight is the mean share of the others' answers to a unit that are his too, drawn towards
    everybody's mean where he gave few; confidence is the label's share of the unit's weight.
    """
    tally = tally_of(ratings)
    shared = overlapping(ratings)
    weights = _records(tally, ratings, shared)
    compared = np.bincount(ratings.raters[shared], minlength=len(weights))
    scores = scored(tally, ratings, weights)
    others = label_of_the_others(tally, ratings, scores, weights)
    return elected(
        "weighted",
        tally,
        scores,
        confidence=_shares(tally, scores),
        quality=np.where(compared > 0, weights, np.nan),
        others=others,
    )


def elected(  # noqa: PLR0913 - one place that turns any method's scores into a consensus
    method: str,
    tally: Tally,
    scores: FloatArray,
    *,
    confidence: FloatArray,
    quality: FloatArray,
    others: IntArray,
    converged: bool = True,
) -> Consensus:
    """The consensus of the entries that stand highest; ``confidence`` has one for each entry."""
    places = np.flatnonzero(leading(tally, scores))
    units, labels = tally.units[places], tally.values[places]
    chosen = np.full(tally.height, -1, dtype=np.int64)
    chosen[units[::-1]] = labels[::-1]  # the last write wins: the first in the categories' order
    sure = np.full(tally.height, np.nan)
    sure[units[::-1]] = confidence[places[::-1]]
    return Consensus(
        method=method,
        labels=chosen,
        confidence=sure,
        leading_units=units,
        leading_labels=labels,
        quality=quality,
        others=others,
        converged=converged,
    )


def share_beside(ratings: Ratings, others: IntArray) -> FloatArray:
    """By rater, the share of answers equal to the others' label; NaN where there is none."""
    agreed, compared = hits(ratings, others)
    shares: FloatArray = np.full(len(compared), np.nan)
    np.divide(agreed, compared, out=shares, where=compared > 0)
    return shares


def hits(ratings: Ratings, others: IntArray) -> tuple[IntArray, IntArray]:
    """By rater: how many answers equal the others' label, and how many could be compared."""
    raters = len(ratings.rater_names)
    known = others >= 0
    agreed = np.bincount(ratings.raters[known & (others == ratings.values)], minlength=raters)
    compared = np.bincount(ratings.raters[known], minlength=raters)
    return agreed, compared


def overlapping(ratings: Ratings) -> BoolArray:
    """Which ratings are of a unit that somebody else rated too."""
    answers = np.bincount(ratings.units, minlength=len(ratings.unit_names))
    several: BoolArray = answers[ratings.units] > 1
    return several


def _records(tally: Tally, ratings: Ratings, shared: BoolArray) -> FloatArray:
    """By rater, the mean share of the others who say the same; above 0: nobody counts nothing."""
    raters = len(ratings.rater_names)
    same = np.bincount(tally.entries, minlength=len(tally.units))[tally.entries[shared]] - 1
    others = np.bincount(ratings.units, minlength=tally.height)[ratings.units[shared]] - 1
    agreed = np.bincount(ratings.raters[shared], same / others, minlength=raters)
    compared = np.bincount(ratings.raters[shared], minlength=raters)
    everybody = (agreed.sum() + 1) / (compared.sum() + 1)
    records: FloatArray = (agreed + _STARTING_ANSWERS * everybody) / (compared + _STARTING_ANSWERS)
    return records


def _shares(tally: Tally, scores: FloatArray) -> FloatArray:
    total = by_unit(tally, scores)[tally.units]
    shares: FloatArray = np.full(len(scores), np.nan)
    np.divide(scores, total, out=shares, where=total > 0)
    return shares
