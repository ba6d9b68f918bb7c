"""Temperature scaling: one number makes a model's confidence honest and changes no answer.

Guo et al., "On Calibration of Modern Neural Networks", 2017; with the smoothed targets of Platt,
"Probabilistic Outputs for Support Vector Machines", 1999, so that a few held-out rows that are all
right do not drive the confidence to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from policies.domain import FloatArray, IntArray

_LOG_BOUNDS = (-10.0, 10.0)


def logits(decision: FloatArray) -> FloatArray:
    """A decision function's values as (n, k) logits; a two-class one comes as (n,)."""
    values = np.asarray(decision, dtype=np.float64)
    return np.column_stack([-values, values]) if values.ndim == 1 else values


def scaled_probabilities(decision: FloatArray, inverse_temperature: float) -> FloatArray:
    """Calibrated probabilities (n, k); every row sums to 1."""
    probabilities: FloatArray = softmax(inverse_temperature * logits(decision), axis=1)
    return probabilities


def fit_inverse_temperature(decision: FloatArray, codes: IntArray) -> float:
    """The inverse temperature of least log loss on held-out rows; 1.0 where there are none.

    ``decision`` are the values of a model that did not see these rows, ``codes`` their true
    columns.
    """
    rows = len(codes)
    if rows == 0:
        return 1.0
    values = logits(decision)
    targets = _targets(codes, values.shape[1])

    def log_loss(log_inverse: float) -> float:
        return -float(np.sum(targets * log_softmax(np.exp(log_inverse) * values, axis=1)))

    found = minimize_scalar(log_loss, bounds=_LOG_BOUNDS, method="bounded")
    return float(np.exp(found.x))


def fit_weights(
    decisions: Sequence[FloatArray], codes: IntArray, row_weights: FloatArray
) -> tuple[FloatArray, float]:
    """The weight of each of several models' decisions, and the log loss of their weighted sum.

    One temperature for each model: the sum is calibrated, and a model that adds nothing weighs
    next to nothing. ``decisions`` are those of ``fit_inverse_temperature``, of one length, at
    least one row.
    """
    values = [logits(decision) for decision in decisions]
    targets = _targets(codes, values[0].shape[1]) * row_weights[:, np.newaxis]
    totals = targets.sum(axis=1, keepdims=True)

    def log_loss(log_weights: FloatArray) -> tuple[float, FloatArray]:
        weights = np.exp(log_weights)
        logs = log_softmax(np.tensordot(weights, values, axes=1), axis=1)
        slope = totals * np.exp(logs) - targets
        slopes = np.array([np.sum(slope * each) for each in values])
        return -float(np.sum(targets * logs)), weights * slopes

    found = minimize(
        log_loss,
        np.full(len(values), -np.log(len(values))),
        jac=True,
        method="L-BFGS-B",
        bounds=[_LOG_BOUNDS] * len(values),
    )
    return np.exp(found.x), float(found.fun)


def _targets(codes: IntArray, classes: int) -> FloatArray:
    """Platt's smoothed targets (rows, classes)."""
    rows = len(codes)
    smoothing = 1.0 / (rows + 2)
    targets = np.full((rows, classes), smoothing / (classes - 1))
    targets[np.arange(rows), codes] = 1.0 - smoothing
    return targets
