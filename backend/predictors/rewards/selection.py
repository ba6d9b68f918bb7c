"""Which pairs are worth judging next: those whose judgement tells most about the worths. Pure.

A judgement tells of a pair's features as much as its outcome is open, p (1 - p), times how little
is known along them (its leverage): together the log of one plus that is what the posterior's volume
shrinks by (D-optimal design; MacKay, "Information-based objective functions for active data
selection", 1992). A batch is picked one by one, each counted as judged before the next, so that it
does not ask the same thing many times.

Against pairs picked at random out of 3,000 (40 features, from 100 judgements on in batches of 50,
10 seeds), share of new pairs in the true order:

    worths    pairs     200    300    500 judgements
    0.5       random   .871   .897   .922
    0.5       picked   .897   .926   .952    300 picked ones are worth 500 drawn ones
    1.0       random   .895   .920   .943
    1.0       picked   .932   .958   .971
    0.2       random   .798   .836   .872
    0.2       picked   .788   .826   .877    where judges hardly tell answers apart, nothing is won

It seeks answers that differ much and are close to call; what is measured on picked pairs alone is
no figure of ordinary ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, issparse

from backend.predictors.rewards.comparisons import Comparisons
from backend.predictors.rewards.davidson import Matrix, curvature
from backend.predictors.rewards.model import RewardModel
from policies.domain import FloatArray, IntArray

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """Pairs by their places, the most telling first; ``information`` of each is in nats."""

    places: IntArray
    information: FloatArray


def informative_pairs(model: RewardModel, pairs: Comparisons, count: int) -> Picked:
    """The ``count`` pairs that tell most, or as many as tell anything.

    Raises
        EncoderMissingError: the model reads sentence vectors, and no encoder is bound.
    """
    read = model.features.read(pairs.answers, model.encode)
    differences = csr_matrix(read[pairs.first] - read[pairs.second])
    told = model.log_odds(differences @ model.coefficients)
    return most_informative(differences, 1.0 / model.precisions, curvature(told, model.tie), count)


def most_informative(
    differences: Matrix, variances: FloatArray, open_: FloatArray, count: int
) -> Picked:
    """A batch of rows, picked greedily.

    ``differences`` (rows, columns) are those of the pairs' features, ``variances`` how little is
    known of each column, ``open_`` how open each outcome is. Takes count times rows times columns.
    """
    squares = differences.multiply(differences) if issparse(differences) else differences**2
    spread = np.asarray(squares @ variances, np.float64).ravel()
    told = np.empty((len(spread), 0))
    places: list[int] = []
    information: list[float] = []
    left = np.ones(len(spread), np.bool_)
    for _ in range(min(count, len(spread))):
        gains = np.where(left, np.log1p(open_ * np.maximum(spread, 0.0)), -1.0)
        best = int(np.argmax(gains))
        if gains[best] <= _NOTHING:
            break
        row = _row(differences, best) * variances
        shared = np.asarray(differences @ row).ravel() - told @ told[best]
        column = shared * np.sqrt(open_[best] / (1.0 + open_[best] * spread[best]))
        spread = spread - column**2
        told = np.column_stack([told, column])
        left[best] = False
        places.append(best)
        information.append(0.5 * float(gains[best]))
    return Picked(places=np.array(places, np.int64), information=np.array(information, np.float64))


def _row(differences: Matrix, place: int) -> FloatArray:
    row = differences[place]
    found: FloatArray = row.ravel() if isinstance(row, np.ndarray) else row.toarray().ravel()
    return found
