"""Honest probabilities from held-out rows: a logistic regression on a few figures of each row.

Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with his smoothed targets, so that
a few held-out rows that are all right do not drive the confidence to 1; and with a pull towards
leaving the first figure as it is, so that without held-out rows it is what comes out.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

from policies.domain import BoolArray, FloatArray

_STEPS = 50
_CLOSE = 1e-9
# How much the pull weighs, in rows: little beside a dozen of them, all where there is none.
_PULL = 0.1


def fit_rightness(
    figures: FloatArray, right: BoolArray, weights: FloatArray, *, with_offset: bool = True
) -> FloatArray:
    """The coefficients (1 + k) of ``figures`` (rows, k): an offset, then one for each figure.

    The first figure is a log odds already; the pull is towards (0, 1, 0, ...). Without an offset
    that of 0 is kept, for what must stay symmetric.
    """
    count = weights.sum()
    good = float(weights[right].sum())
    high = (good + 1.0) / (good + 2.0)
    low = 1.0 / (count - good + 2.0)
    targets = np.where(right, high, low)
    inputs = np.column_stack([np.ones(len(figures)), figures])
    calm: FloatArray = np.zeros(inputs.shape[1])
    calm[1] = 1.0
    free = np.arange(0 if with_offset else 1, len(calm))

    def loss(coefficients: FloatArray) -> float:
        values = inputs @ coefficients
        told = targets * log_expit(values) + (1.0 - targets) * log_expit(-values)
        return float(-weights @ told + 0.5 * _PULL * np.sum((coefficients - calm) ** 2))

    found, best = calm, loss(calm)
    for _ in range(_STEPS):  # Newton's method, a step halved until it helps: the loss is convex
        chances = expit(inputs @ found)
        slope = inputs.T @ (weights * (chances - targets)) + _PULL * (found - calm)
        curve = (inputs.T * (weights * chances * (1.0 - chances))) @ inputs
        curve[np.diag_indices_from(curve)] += _PULL
        step = np.zeros_like(found)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        tried = found - step
        while loss(tried) > best and np.abs(step).max() > _CLOSE:
            step *= 0.5
            tried = found - step
        if loss(tried) > best or best - loss(tried) < _CLOSE * max(1.0, best):
            break
        found, best = tried, loss(tried)
    return found


def rightness(figures: FloatArray, coefficients: FloatArray) -> FloatArray:
    """The probability of each row to be right."""
    probabilities: FloatArray = expit(coefficients[0] + figures @ coefficients[1:])
    return probabilities
