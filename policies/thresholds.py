"""From which score on labels may be accepted without a person, proved on blind control answers.

The promise: with probability ``confidence`` the error rate among the accepted is at most
``max_error_rate``. Fixed-sequence testing (Angelopoulos et al. 2021, "Learn then test") walks from
strict thresholds to loose ones and stops where the exact binomial test no longer rejects "the error
rate is too high". Several starts share the error budget, because the strictest thresholds have too
few answers to prove anything and a confident error bump would end a single walk at once. A walk
that reaches the next start takes its budget along (fallback procedure: Wiens and Dmitrienko 2005),
so where all goes well the loose thresholds are tested with the whole budget. ADR 0007 has the
figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binom

from policies.costs import Costs, cheapest
from policies.domain import (
    BoolArray,
    Certificate,
    Estimate,
    FloatArray,
    IntArray,
    ObjectArray,
)
from policies.intervals import UNKNOWN, exact_lower, exact_upper

# Each start's part of the error budget, strictest first. Four, against a bump of confident
# errors; most for the first, because there few answers must do.
BUDGET_SHARES = (1 / 2, 1 / 4, 1 / 8, 1 / 8)
# The strictest threshold leaves this many times the answers that a faultless model would need.
_FIRST_ANSWERS = 3
# Fewer answers than this say too little about an error rate to forecast from it.
_LEAST_TO_FORECAST = 20
_MOST_TO_FORECAST = 1_000_000


def grid_from_scores(  # noqa: PLR0913 - the promise, the data and the size, all by name
    unlabelled_scores: FloatArray,
    *,
    max_error_rate: float,
    confidence: float,
    n_labelled: int,
    floor: float,
    size: int = 64,
) -> tuple[float, ...]:
    """Thresholds to test, strictest first: quantiles of scores whose labels nobody has seen.

    The strictest leaves about three times the control answers needed when none is wrong
    (half of the scores not under ``floor`` where there are fewer answers), the loosest is the
    lowest score not under ``floor``. Without any such score: an empty grid.
    """
    scores = np.sort(_finite(unlabelled_scores, "unlabelled_scores"))[::-1]
    eligible = int(np.count_nonzero(scores >= floor))
    if eligible == 0:
        return ()
    needed = _FIRST_ANSWERS * math.ceil(math.log(1 - confidence) / math.log1p(-max_error_rate))
    loosest = eligible / len(scores)
    shares = np.linspace(min(loosest / 2, needed / max(n_labelled, 1)), loosest, size)
    ranks = np.clip(np.ceil(shares * len(scores)).astype(np.int64), 1, eligible) - 1
    return tuple(float(score) for score in dict.fromkeys(scores[ranks].tolist()))


def certify(  # noqa: PLR0913 - the evidence and the promise, all by name
    scores: FloatArray,
    wrong: BoolArray,
    *,
    grid: Sequence[float],
    max_error_rate: float,
    confidence: float,
    model_version: str,
    costs: Costs | None = None,
    at_least: float = 0.0,
) -> Certificate:
    """The threshold of ``grid`` that the control answers certify, with its evidence.

    The lowest one that is ``at_least`` so high, or with ``costs`` the cheapest of those: the
    promise holds for all that are certified at once, so the choice is free.

    ``scores`` and ``wrong`` hold one entry for each control answer: the model's score and whether
    the person disagreed with its label. ``grid`` must be fixed without looking at ``wrong`` and
    strictly descending. Nothing certified is a normal result: ``threshold`` is None.
    ``error.high`` is the exact upper bound at the level of the test, so it never exceeds
    ``max_error_rate``.

    Raises
        ValueError: lengths differ, a score is not finite, the grid does not descend.
    """
    scores, thresholds = _finite(scores, "scores"), _finite(np.asarray(grid, float), "grid")
    _check(scores, wrong, thresholds, max_error_rate=max_error_rate, confidence=confidence)
    budget = 1 - confidence
    answers = _count_at_or_above(scores, thresholds)
    errors = _count_at_or_above(scores[np.asarray(wrong, bool)], thresholds)
    p_values: FloatArray = np.asarray(binom.cdf(errors, answers, max_error_rate))
    levels = _certifying_levels(p_values, budget)
    certified = np.flatnonzero((levels > 0) & (thresholds >= at_least))
    best = (
        int(certified[_choice(errors[certified], answers[certified], costs)])
        if len(certified)
        else None
    )
    n, k = (int(answers[best]), int(errors[best])) if best is not None else (0, 0)
    return Certificate(
        model_version=model_version,
        max_error_rate=max_error_rate,
        confidence=confidence,
        threshold=None if best is None else float(thresholds[best]),
        accepted_share=n / len(scores) if n else 0.0,
        error=UNKNOWN if best is None else _error_rate(k, n, 1 - float(levels[best])),
        errors=k,
        control_answers=len(scores),
        grid=tuple(thresholds.tolist()),
        labels_needed=(
            _labels_needed(errors, answers, len(scores), max_error_rate, budget)
            if best is None
            else None
        ),
    )


def certify_labels(  # noqa: PLR0913 - the evidence and the promise, all by name
    scores: FloatArray,
    wrong: BoolArray,
    labels: ObjectArray,
    *,
    grids: Mapping[str, Sequence[float]],
    max_error_rate: float,
    confidence: float,
    model_version: str,
    costs: Costs | None = None,
) -> dict[str, Certificate]:
    """One certificate for each label of ``grids``, from the answers where the model said it.

    The chance that a promise breaks is split evenly over the labels, so that with probability
    ``confidence`` not one of them accepts more than ``max_error_rate`` errors; each certificate
    carries the higher confidence that this takes. A label that the model seldom says needs as many
    answers as a frequent one, and most often certifies nothing.
    """
    share = (1 - confidence) / max(len(grids), 1)
    said = {label: np.asarray(labels == label, bool) for label in grids}
    return {
        label: certify(
            scores[said[label]],
            np.asarray(wrong)[said[label]],
            grid=grid,
            max_error_rate=max_error_rate,
            confidence=1 - share,
            model_version=model_version,
            costs=costs,
        )
        for label, grid in grids.items()
    }


def first_level(confidence: float) -> float:
    """The level of the first start's test: what a few answers must pass to certify anything."""
    return (1 - confidence) * BUDGET_SHARES[0]


def _choice(errors: IntArray, answers: IntArray, costs: Costs | None) -> int:
    """Which of the certified thresholds, strictest first: the loosest, or the cheapest."""
    return len(errors) - 1 if costs is None else cheapest(errors, answers, costs)


def _error_rate(errors: int, n: int, level: float) -> Estimate:
    low, high = exact_lower(errors, n, level), exact_upper(errors, n, level)
    return Estimate(value=errors / n, low=low, high=high, n=n)


def _certifying_levels(p_values: FloatArray, budget: float) -> FloatArray:
    """At which level each threshold was certified, strictest first; 0 where it was not."""
    own = _own_budgets(len(p_values), budget)
    levels = np.zeros(len(p_values))
    level = 0.0
    for place, p_value in enumerate(p_values.tolist()):
        level += float(own[place])
        level = level if p_value <= level else 0.0
        levels[place] = level
    return levels


def _own_budgets(thresholds: int, budget: float) -> FloatArray:
    """What each threshold may spend before any walk reaches it: something only where one starts."""
    own = np.zeros(thresholds)
    if thresholds:  # of very few some starts coincide, and share
        starts = np.linspace(0, thresholds, len(BUDGET_SHARES), endpoint=False)
        np.add.at(own, starts.astype(np.int64), budget * np.array(BUDGET_SHARES))
    return own


def _labels_needed(
    errors: IntArray, answers: IntArray, total: int, max_error_rate: float, budget: float
) -> int | None:
    """About how many more control answers would certify the easiest of the walks' starts.

    Nothing is certified unless a start is. Takes each start's error rate as seen (half an error
    added, so that a clean handful does not promise too much), finds the number of answers at which
    that rate passes the test, and the control answers that bring as many. None where no start looks
    good enough, or too few answers came to tell.
    """
    own = _own_budgets(len(answers), budget)
    rates = (errors + 0.5) / np.maximum(answers, 1)
    hopeful = (own > 0) & (answers >= _LEAST_TO_FORECAST) & (rates < max_error_rate)
    sizes = np.unique(np.geomspace(1, _MOST_TO_FORECAST, 500).astype(np.int64))
    forecasts = []
    for place in np.flatnonzero(hopeful):
        expected = np.ceil(rates[place] * sizes - 0.5)
        enough = np.flatnonzero(binom.cdf(expected, sizes, max_error_rate) <= own[place])
        if len(enough):
            forecasts.append(math.ceil(sizes[enough[0]] * total / answers[place]))
    return max(1, min(forecasts) - total) if forecasts else None


def _count_at_or_above(scores: FloatArray, thresholds: FloatArray) -> IntArray:
    """How many scores each threshold would accept; equal scores are always taken together."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left").astype(np.int64)


def _finite(values: FloatArray, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite: leave out tasks that have no score")
    return array


def _check(
    scores: FloatArray,
    wrong: BoolArray,
    thresholds: FloatArray,
    *,
    max_error_rate: float,
    confidence: float,
) -> None:
    if len(scores) != len(wrong):
        raise ValueError(f"scores and wrong differ in length: {len(scores)} and {len(wrong)}")
    if np.any(np.diff(thresholds) >= 0):
        raise ValueError("grid must be strictly descending: the strictest threshold first")
    if not (0 < max_error_rate < 1 and 0 < confidence < 1):
        raise ValueError(
            f"max_error_rate {max_error_rate} and confidence {confidence} must lie between 0 and 1"
        )
