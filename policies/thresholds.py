"""From which score on labels may be accepted without a person, proved on blind control answers.

The promise: with probability ``confidence`` the error rate among the accepted is at most
``max_error_rate``. Fixed-sequence testing (Angelopoulos et al. 2021, "Learn then test") walks from
strict thresholds to loose ones and stops where the exact binomial test no longer rejects "the error
rate is too high". Several starts share the error budget, because the strictest thresholds have too
few answers to prove anything and a confident error bump would end a single walk at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from policies.domain import BoolArray, Certificate, Estimate, FloatArray, IntArray
from policies.intervals import UNKNOWN, exact_lower, exact_upper

# Walks that share the error budget (statistics: 4 are robust against a confident-error bump).
STARTS = 4
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

    The strictest leaves about twice the control answers that the test needs when none is wrong
    (half of the scores not under ``floor`` where there are fewer answers), the loosest is the
    lowest score not under ``floor``. Without any such score: an empty grid.
    """
    scores = np.sort(_finite(unlabelled_scores, "unlabelled_scores"))[::-1]
    eligible = int(np.count_nonzero(scores >= floor))
    if eligible == 0:
        return ()
    needed = 2 * math.ceil(math.log(1 - confidence) / math.log1p(-max_error_rate))
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
    starts: int = STARTS,
) -> Certificate:
    """The lowest threshold of ``grid`` that the control answers certify, with its evidence.

    ``scores`` and ``wrong`` hold one entry for each control answer: the model's score and whether
    the person disagreed with its label. ``grid`` must be fixed without looking at ``wrong`` and
    strictly descending. Nothing certified is a normal result: ``threshold`` is None.
    ``error.high`` is the exact upper bound at the level of the test, so it never exceeds
    ``max_error_rate``.
    """
    scores, thresholds = _finite(scores, "scores"), _finite(np.asarray(grid, float), "grid")
    _check(scores, wrong, thresholds, max_error_rate=max_error_rate, confidence=confidence)
    budget = (1 - confidence) / starts
    answers = _count_at_or_above(scores, thresholds)
    errors = _count_at_or_above(scores[np.asarray(wrong, bool)], thresholds)
    p_values: FloatArray = np.asarray(binom.cdf(errors, answers, max_error_rate))
    firsts = np.unique(np.linspace(0, len(thresholds), starts, endpoint=False).astype(np.int64))
    best = _last_certified(p_values <= budget, firsts)
    n, k = (int(answers[best]), int(errors[best])) if best is not None else (0, 0)
    needed = None
    if best is None:
        needed = _labels_needed(errors, answers, len(scores), max_error_rate, budget)
    return Certificate(
        model_version=model_version,
        max_error_rate=max_error_rate,
        confidence=confidence,
        threshold=None if best is None else float(thresholds[best]),
        accepted_share=n / len(scores) if n else 0.0,
        error=_error_rate(k, n, 1 - budget),
        errors=k,
        control_answers=len(scores),
        grid=tuple(thresholds.tolist()),
        labels_needed=needed,
    )


def _error_rate(errors: int, n: int, level: float) -> Estimate:
    if n == 0:
        return UNKNOWN
    low, high = exact_lower(errors, n, level), exact_upper(errors, n, level)
    return Estimate(value=errors / n, low=low, high=high, n=n)


def _last_certified(passed: BoolArray, firsts: IntArray) -> int | None:
    """Where the walks end: the furthest position before each walk's first failure."""
    if len(passed) == 0:
        return None
    failures = np.flatnonzero(~passed)
    places = np.searchsorted(failures, firsts)
    ends = np.append(failures, len(passed))[places] - 1
    walked = ends[ends >= firsts]
    return int(walked.max()) if len(walked) else None


def _labels_needed(
    errors: IntArray, answers: IntArray, total: int, max_error_rate: float, budget: float
) -> int | None:
    """About how many more control answers would certify the easiest threshold of the grid.

    Takes each threshold's error rate as seen (half an error added, so that a clean handful does
    not promise too much), finds the number of answers at which that rate passes the test, and the
    control answers that bring as many. None where no threshold looks good enough, or too few
    answers came to tell.
    """
    rates = (errors + 0.5) / np.maximum(answers, 1)
    hopeful = np.flatnonzero((answers >= _LEAST_TO_FORECAST) & (rates < max_error_rate))
    sizes = np.unique(np.geomspace(1, _MOST_TO_FORECAST, 500).astype(np.int64))
    forecasts = []
    for place in hopeful:
        expected = np.ceil(rates[place] * sizes - 0.5)
        enough = np.flatnonzero(binom.cdf(expected, sizes, max_error_rate) <= budget)
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
