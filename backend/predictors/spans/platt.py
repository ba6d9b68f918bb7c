"""Two numbers make a probability of being right honest and keep its ranking.

Platt, "Probabilistic outputs for support vector machines", 1999, on log odds; with a prior for
leaving them as they are, so that a few held-out rows that are all right, or none at all, do not
drive the confidence to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from policies.domain import BoolArray, FloatArray

# As many rows as this say as much as the prior does of either number.
_PRIOR_ROWS = 4.0
_LEAST_SLOPE = 0.01  # a ranking is never turned round


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """Log odds times ``slope`` plus ``intercept``; as they are by default."""

    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, log_odds: FloatArray) -> FloatArray:
        """The calibrated probabilities of these log odds."""
        probabilities: FloatArray = expit(self.slope * log_odds + self.intercept)
        return probabilities


def fit_platt(log_odds: FloatArray, right: BoolArray, weights: FloatArray) -> Platt:
    """The calibration of least weighted log loss on held-out rows; none leaves all as it is."""
    if not len(log_odds):
        return Platt()
    sides = np.where(right, 1.0, -1.0)

    def loss_and_slope(numbers: FloatArray) -> tuple[float, FloatArray]:
        slope, intercept = numbers
        margins = sides * (slope * log_odds + intercept)
        missing = -weights * sides * expit(-margins)
        prior = 0.5 * _PRIOR_ROWS * ((slope - 1.0) ** 2 + (intercept / 4.0) ** 2)
        loss = prior - np.sum(weights * log_expit(margins))
        towards = np.array([slope - 1.0, intercept / 16.0]) * _PRIOR_ROWS
        return float(loss), np.array([missing @ log_odds, missing.sum()]) + towards

    bounds = [(_LEAST_SLOPE, None), (None, None)]
    found = minimize(loss_and_slope, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    return Platt(slope=float(found.x[0]), intercept=float(found.x[1]))


def log_odds_of(log_probabilities: FloatArray) -> FloatArray:
    """Log odds of natural logarithms of probabilities, none closer to 0 or 1 than 1e-9."""
    logs = np.clip(log_probabilities, np.log(1e-9), np.log1p(-1e-9))
    odds: FloatArray = logs - np.log(-np.expm1(logs))
    return odds
