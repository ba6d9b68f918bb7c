"""Dawid-Skene consensus: each rater mixes labels up in a way of his own.

Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", with a prior: every rater starts with a fraction of an answer as everybody's answers
are, so that a rater with few answers counts as an average one and not as perfect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from audit_jobs.measures.consensus import Consensus, ConsensusError, overlapping
from audit_jobs.measures.ratings import Ratings
from policies.domain import FloatArray, IntArray

SMOOTHING = 0.5  # answers of an average rater, for each true label, that every rater starts with
MOST_ITERATIONS = 200
STILL = 1e-6  # mean change of a unit's probabilities under which the estimate stands
LARGEST = 50_000_000  # cells of a table of numbers: 400 MB

_LOWEST = 1e-300  # under every probability that a double tells from 0
_TIED = 1e-9
_AT_ONCE = 4_000_000  # cells of one pass over what the others say


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What Dawid-Skene finds out about the units and the raters."""

    chances: FloatArray  # units x labels: the probability of each label
    prior: FloatArray  # by label: how common it is
    confusions: FloatArray  # raters x given x true: how often a rater says what of which
    converged: bool


def dawid_skene(ratings: Ratings, *, smoothing: float = SMOOTHING) -> Consensus:
    """The most probable label of each unit, be it one that nobody gave it; EM to convergence.

    A rater's quality is the chance that his answer to a unit of this mix of labels is right.

    Raises
        ConsensusError: too many units, raters and labels for a table of what is mixed up.
    """
    return consensus_by(ratings, fit(ratings, smoothing=smoothing))


def consensus_by(ratings: Ratings, found: Fit) -> Consensus:
    """The most probable label of each unit by what was found out about these ratings."""
    rated = np.unique(ratings.units)
    chances = found.chances[rated]
    best = chances.max(axis=1) if len(rated) else np.zeros(0)
    rows, labels = np.nonzero(chances >= best[:, None] - _TIED)
    chosen = np.full(len(ratings.unit_names), -1, dtype=np.int64)
    chosen[rated[rows[::-1]]] = labels[::-1]
    shared = overlapping(ratings)
    sure = np.full(len(ratings.unit_names), np.nan)
    if shared.any():
        sure[rated] = best
    known = np.bincount(ratings.raters[shared], minlength=len(ratings.rater_names)) > 0
    right = np.einsum("rcc,c->r", found.confusions, found.prior)
    return Consensus(
        method="dawid-skene",
        labels=chosen,
        confidence=sure,
        leading_units=rated[rows],
        leading_labels=labels.astype(np.int64),
        quality=np.where(known, right, np.nan),
        others=_without_each(ratings, found, shared=np.flatnonzero(shared)),
        converged=found.converged,
    )


def fit(ratings: Ratings, *, smoothing: float = SMOOTHING) -> Fit:
    """Estimate the raters' confusions and the units' labels in turns until they stand still."""
    units, raters, labels = (
        len(names) for names in (ratings.unit_names, ratings.rater_names, ratings.categories)
    )
    _check_size(units, raters, labels)
    said = ratings.raters * labels + ratings.values
    # One row a unit, one column a rater and label: both steps are products with this table.
    votes = sparse.csr_array(
        (np.ones(len(ratings)), (ratings.units, said)), shape=(units, raters * labels)
    )
    by_answer = votes.T.tocsr()
    chances = _vote_shares(ratings)
    moved = 0.0
    for _ in range(MOST_ITERATIONS):
        prior = _shares(chances.sum(axis=0) + smoothing, axis=0)
        answers: FloatArray = np.asarray(by_answer @ chances)
        confusions = _confusions(answers.reshape((raters, labels, labels)), smoothing)
        logs = _log(confusions).reshape(raters * labels, labels)
        now = _probabilities(np.asarray(votes @ logs) + _log(prior))
        moved = float(np.abs(now - chances).sum()) / max(1, units)
        chances = now
        if moved < STILL:
            break
    return Fit(chances=chances, prior=prior, confusions=confusions, converged=moved < STILL)


def _check_size(units: int, raters: int, labels: int) -> None:
    cells = max(units * labels, raters * labels * labels)
    if cells > LARGEST:
        raise ConsensusError(
            f"Dawid-Skene on {units:,} units, {raters:,} raters and {labels:,} labels needs tables "
            f"of {cells:,} cells, and the most is {LARGEST:,}: take one-coin or majority, which "
            "know no such limit, or merge labels"
        )


def _vote_shares(ratings: Ratings) -> FloatArray:
    units, labels = len(ratings.unit_names), len(ratings.categories)
    cells = np.bincount(ratings.units * labels + ratings.values, minlength=units * labels)
    return _shares(cells.reshape(units, labels).astype(np.float64), axis=1)


def _confusions(answers: FloatArray, smoothing: float) -> FloatArray:
    """How often each rater says what of which, starting from what all of them say."""
    everybody = answers.sum(axis=0) + 1.0 / max(1, answers.shape[1])
    return _shares(answers + smoothing * _shares(everybody, axis=0), axis=1)


def _shares(table: FloatArray, axis: int) -> FloatArray:
    total = table.sum(axis=axis, keepdims=True)
    shares: FloatArray = np.full(table.shape, 1.0 / max(1, table.shape[axis]))
    np.divide(table, total, out=shares, where=total > 0)
    return shares


def _log(table: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(np.maximum(table, _LOWEST))
    return logs


def _probabilities(logs: FloatArray) -> FloatArray:
    """Rows of log weights as rows that sum to 1."""
    logs -= logs.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(logs, out=logs)
    logs /= logs.sum(axis=1, keepdims=True)
    return logs


def _without_each(ratings: Ratings, found: Fit, *, shared: IntArray) -> IntArray:
    """For each rating, the label its unit would have without it; -1 where it stands alone or ties.

    The rating's own factor is taken out of its unit; the raters' confusions stay as they are.
    """
    others = np.full(len(ratings), -1, dtype=np.int64)
    if len(found.prior) < 2:
        others[shared] = 0
        return others
    logs = _log(found.confusions)
    height = max(1, _AT_ONCE // len(found.prior))
    for start in range(0, len(shared), height):
        rows = shared[start : start + height]
        own = logs[ratings.raters[rows], ratings.values[rows]]
        rest = _log(found.chances[ratings.units[rows]]) - own
        best = rest.argmax(axis=1)
        two = np.partition(rest, -2, axis=1)[:, -2:]
        others[rows] = np.where(two[:, 1] - two[:, 0] > _TIED, best, -1)
    return others
