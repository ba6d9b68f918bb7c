"""One-coin consensus: each rater is right with a chance of his own, and else guesses evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit_jobs.measures.consensus import Consensus, elected, overlapping
from audit_jobs.measures.ratings import Ratings
from audit_jobs.measures.tally import Tally, by_unit, label_of_the_others, scored, tally_of
from policies.domain import FloatArray, IntArray

SMOOTHING = 0.5  # answers of an average rater that every rater's record starts with
MOST_ITERATIONS = 200
STILL = 1e-6  # mean change of a unit's probabilities under which the estimate stands

_EDGE = 1e-9  # nobody is taken to be never or always right


@dataclass(frozen=True, slots=True, kw_only=True)
class _Estimate:
    """One state of the iteration: probabilities of the entries, and what follows from them."""

    chances: FloatArray  # by entry: that its label is the true one
    skill: FloatArray  # by rater: the chance to be right
    weights: FloatArray  # by rater: the log odds that an answer of his adds to its label
    scores: FloatArray  # by entry: log odds against the labels that nobody gave


def one_coin(ratings: Ratings, *, smoothing: float = SMOOTHING) -> Consensus:
    """The most probable label that somebody gave, by EM over the raters' chances to be right.

    It has one figure a rater, so it needs few answers of each, and fails where some labels are
    harder than others: then use Dawid-Skene. Works with any number of labels.
    """
    tally = tally_of(ratings)
    shares = np.bincount(tally.entries, minlength=len(tally.units)).astype(np.float64)
    chances = shares / by_unit(tally, shares)[tally.units]
    moved = 0.0
    for _ in range(MOST_ITERATIONS):
        found = _step(ratings, tally, chances, smoothing)
        moved = float(np.abs(found.chances - chances).sum()) / max(1, len(tally.starts))
        chances = found.chances
        if moved < STILL:
            break
    shared = overlapping(ratings)
    known = np.bincount(ratings.raters[shared], minlength=len(ratings.rater_names)) > 0
    return elected(
        "one-coin",
        tally,
        found.scores,
        confidence=found.chances if shared.any() else np.full(len(chances), np.nan),
        quality=np.where(known, found.skill, np.nan),
        others=label_of_the_others(tally, ratings, found.scores, found.weights),
        converged=moved < STILL,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """By unit the most probable label (-1: nobody rated it) and its probability, else NaN."""

    labels: IntArray
    confidence: FloatArray


def posterior_beside(ratings: Ratings, *, smoothing: float = 2.0) -> Posterior:
    """The one-coin probability of each unit's label, by what the other units say of its raters.

    To decide whether a unit needs one more reader, its own answers must not say how good its
    readers are: the iteration of ``one_coin`` takes one of two who differ for the better one on
    the strength of the very quarrel that it is to settle, and is then sure of it. Here a rater's
    skill is the share of his answers to other units that have the most votes there (of tied ones
    each has its part), drawn towards everybody's by ``smoothing`` answers. Where two equally good
    raters differ the probability is about one half.
    """
    tally = tally_of(ratings)
    labels, height = len(ratings.categories), len(ratings.unit_names)
    votes = np.bincount(tally.entries, minlength=len(tally.units)).astype(np.float64)
    most = np.zeros(height)
    most[tally.units[tally.starts]] = np.maximum.reduceat(votes, tally.starts)
    first = votes == most[tally.units]
    credited = (first / by_unit(tally, first.astype(np.float64))[tally.units])[tally.entries]

    right = np.bincount(ratings.raters, credited, minlength=len(ratings.rater_names))
    answers = np.bincount(ratings.raters, minlength=len(ratings.rater_names))
    everybody = (credited.sum() + 1) / (len(credited) + 2)
    others = (right[ratings.raters] - credited, answers[ratings.raters] - 1)
    skill = (others[0] + smoothing * everybody) / (others[1] + smoothing)
    weights = np.log(skill) - np.log((1 - skill) / max(1, labels - 1))

    mass = np.bincount(ratings.values, minlength=labels) + 1.0
    prior: FloatArray = mass / mass.sum()
    scores = np.bincount(tally.entries, weights, minlength=len(votes)) + np.log(prior[tally.values])
    chances = _normalised(tally, scores, prior)
    chosen, sure = np.full(height, -1, dtype=np.int64), np.full(height, np.nan)
    order = np.argsort(chances, kind="stable")  # the last write wins: the most probable
    chosen[tally.units[order]], sure[tally.units[order]] = tally.values[order], chances[order]
    return Posterior(labels=chosen, confidence=sure)


def _step(ratings: Ratings, tally: Tally, chances: FloatArray, smoothing: float) -> _Estimate:
    labels, raters = len(ratings.categories), len(ratings.rater_names)
    right = np.bincount(ratings.raters, chances[tally.entries], minlength=raters)
    answers = np.bincount(ratings.raters, minlength=raters)
    everybody = right.sum() / max(1, answers.sum())
    skill = (right + smoothing * everybody) / np.maximum(answers + smoothing, _EDGE)
    skill = np.clip(skill, _EDGE, 1 - _EDGE)
    weights = np.log(skill) - np.log((1 - skill) / max(1, labels - 1))
    mass = np.bincount(tally.values, chances, minlength=labels) + _EDGE
    prior: FloatArray = mass / mass.sum()
    scores = scored(tally, ratings, weights) + np.log(prior[tally.values])
    return _Estimate(
        chances=_normalised(tally, scores, prior), skill=skill, weights=weights, scores=scores
    )


def _normalised(tally: Tally, scores: FloatArray, prior: FloatArray) -> FloatArray:
    """Probabilities of the entries; the labels that nobody gave keep their share of the rest."""
    if len(scores) == 0:
        return scores
    unnamed = np.maximum(0.0, 1.0 - by_unit(tally, prior[tally.values]))
    top: FloatArray = np.zeros(tally.height)  # the unnamed labels score 0
    top[tally.units[tally.starts]] = np.maximum.reduceat(scores, tally.starts)
    top = np.maximum(top, 0.0)
    raised = np.exp(scores - top[tally.units])
    total = by_unit(tally, raised) + unnamed * np.exp(-top)
    chances: FloatArray = raised / total[tally.units]
    return chances
