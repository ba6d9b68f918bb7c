"""How accurate a model is on tasks that nobody has labelled: from its own confidence."""

from __future__ import annotations

import numpy as np

from policies.domain import BoolArray, Estimate, FloatArray

REPEATS = 1_000


def estimated_accuracy(
    confidence: FloatArray,
    answered_confidence: FloatArray,
    answered_right: BoolArray,
    seed: int = 0,
) -> Estimate:
    """The mean confidence, corrected by how far it was from the truth where people answered.

    A difference estimator (Cochran 1977, 7.2): unbiased where the answered tasks are a random part
    of the same traffic. Without answers the bare confidence, which is only as good as its
    calibration. The 95 % interval draws both samples anew; ``n`` is the number of tasks.
    """
    if len(confidence) == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    rng = np.random.default_rng(seed)
    means = _means(confidence, rng)
    value = float(confidence.mean())
    if len(answered_right):
        gap = answered_right.astype(np.float64) - answered_confidence
        means = means + _means(gap, rng)
        value += float(gap.mean())
    low, high = np.clip(np.quantile(means, [0.025, 0.975]), 0, 1).tolist()
    return Estimate(value=min(max(value, 0.0), 1.0), low=low, high=high, n=len(confidence))


def _means(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Means of the values drawn anew, with replacement, row by row so that memory stays small."""
    repeats = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(REPEATS)]
    return np.array(repeats)
