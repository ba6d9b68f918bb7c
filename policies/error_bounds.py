"""Bounds of an error rate from audits that were drawn with different chances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from policies.domain import BoolArray, FloatArray
from policies.intervals import exact_lower, exact_upper

_ROUNDING = 1e-6  # 149 equal weights are worth 149 audits, not 148.99999999999997


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBounds:
    """The share of wrong labels among those that ``audits`` stand for, ``errors`` audits found.

    ``low`` and ``high`` are one-sided, each at ``confidence``; all None where nothing was audited.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    audits: int
    errors: int


def error_bounds(wrong: BoolArray, chances: FloatArray, confidence: float) -> ErrorBounds:
    """Exact bounds (Clopper and Pearson) of the weighted share of errors.

    They are taken with as many audits of equal chances as these are worth (Kish 1965), and as many
    errors; both are rounded to the side that proves less.

    >>> found = error_bounds(np.zeros(149, bool), np.full(149, 0.05), 0.95)
    >>> found.low, round(found.high, 4)
    (0.0, 0.0199)
    """
    audits, errors = len(wrong), int(np.count_nonzero(wrong))
    if not audits:
        return ErrorBounds(
            value=None, low=None, high=None, confidence=confidence, audits=0, errors=0
        )
    weights = 1 / chances
    value = float(weights[wrong].sum() / weights.sum()) if errors < audits else 1.0
    worth = float(weights.sum() ** 2 / (weights**2).sum())
    fewest, most = max(1, math.floor(worth + _ROUNDING)), math.ceil(worth - _ROUNDING)
    return ErrorBounds(
        value=value,
        low=exact_lower(math.floor(value * worth + _ROUNDING), most, confidence),
        high=exact_upper(min(fewest, math.ceil(value * worth - _ROUNDING)), fewest, confidence),
        confidence=confidence,
        audits=audits,
        errors=errors,
    )
