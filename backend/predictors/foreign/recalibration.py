"""Another model's scores as probabilities of being right: a straight line on their log-odds.

Platt, "Probabilistic Outputs for Support Vector Machines", 1999, on the log-odds of the scores,
with his smoothed targets. The line rises, so that a surer answer stays a surer answer: what can be
accepted at a promise is what the raw scores allow, and only how it is called changes. Isotonic
steps would tie scores that the model tells apart, and need ten times the answers (ADR 0020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from policies.domain import BoolArray, FloatArray

# Fewer say too little; the common promise (5 % at 95 %) needs 72 before anything is accepted.
LEAST_ANSWERS = 50
# Scores of exactly 0 and 1 have no log-odds.
_EDGE = 1e-6
# A line as flat as this orders answers still; one that falls would call the surest the worst.
_LEAST_SLOPE, _MOST_SLOPE = 0.01, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Log-odds of being right = ``slope`` x log-odds of the score + ``intercept``.

    ``answers`` is how many it was fitted on; 0 is the calibration that changes nothing.
    """

    slope: float = 1.0
    intercept: float = 0.0
    answers: int = 0

    def __call__(self, scores: FloatArray) -> FloatArray:
        """The calibrated scores, in the same order; NaN stays NaN."""
        if self.answers == 0:
            return scores
        odds = logit(np.clip(scores, _EDGE, 1 - _EDGE))
        calibrated: FloatArray = expit(self.slope * odds + self.intercept)
        return calibrated


UNCALIBRATED = Calibration()


def fit_calibration(scores: FloatArray, right: BoolArray) -> Calibration:
    """The rising line of least log loss; the one that changes nothing where answers are few.

    ``scores`` are finite and from 0 to 1, ``right`` says which answers people gave too. The same
    arguments give the same line.
    """
    n = len(scores)
    if n < LEAST_ANSWERS:
        return UNCALIBRATED
    odds = logit(np.clip(scores, _EDGE, 1 - _EDGE))
    hits = int(np.count_nonzero(right))
    # A handful that are all right must not drive the score to 1.
    targets = np.where(right, (hits + 1) / (hits + 2), 1 / (n - hits + 2))

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        values = line[0] * odds + line[1]
        wrong = expit(values) - targets
        cost = float(np.sum(np.logaddexp(0, values) - targets * values)) / n
        return cost, np.array([np.dot(wrong, odds), wrong.sum()]) / n

    found = minimize(
        loss,
        x0=np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(_LEAST_SLOPE, _MOST_SLOPE), (None, None)],
    )
    return Calibration(slope=float(found.x[0]), intercept=float(found.x[1]), answers=n)
