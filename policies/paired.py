"""Two versions on the same answers: how far they differ, with an interval. Pure.

The answers on which both are right, or both wrong, say nothing of the difference but how many there
are; so everything here is paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit
from scipy.stats import binomtest

from policies.domain import BoolArray, Estimate, FloatArray
from policies.intervals import UNKNOWN

_BINS = 10
_BIG = 1e9
_EDGE = 1e-9  # the score is not defined at -1 and 1 themselves


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p-value that wins and losses come alike (McNemar 1947).

    >>> round(sign_test(9, 1), 4)
    0.0215
    """
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def difference(wins: int, losses: int, n: int, confidence: float = 0.95) -> Estimate:
    """(wins - losses) / n with Tango's score interval for paired shares (Tango 1998).

    It inverts McNemar's score test, so it holds at few discordant answers and at none, where a
    bootstrap of the answers would say that the difference is exactly 0. Undefined for n = 0.

    >>> found = difference(43, 8, 102)
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.3431, 0.2177, 0.4587)
    """
    if not 0 <= wins <= wins + losses <= n:
        raise ValueError(f"{wins} wins and {losses} losses of {n}: they cannot be more than all")
    if n == 0:
        return UNKNOWN
    z = float(ndtri(0.5 + confidence / 2))

    def score(delta: float) -> float:
        """Falls from above z to under -z while delta goes from -1 to 1."""
        b = (2 * n - wins + losses) * delta - wins - losses
        root = math.sqrt(max(0.0, b * b + 8 * n * losses * delta * (1 - delta)))
        least = max(0.0, (root - b) / (4 * n))
        spread = n * max(0.0, 2 * least + delta * (1 - delta))
        above = wins - losses - n * delta
        if above == 0:
            return 0.0
        return math.copysign(_BIG, above) if spread == 0 else above / math.sqrt(spread)

    value = (wins - losses) / n
    low = -1.0 if value <= -1 else _crossing(lambda d: score(d) - z, -1 + _EDGE, value)
    high = 1.0 if value >= 1 else -_crossing(lambda d: -score(-d) - z, -1 + _EDGE, -value)
    return Estimate(value=value, low=low, high=high, n=n)


def _crossing(falls: Callable[[float], float], start: float, end: float) -> float:
    """Where ``falls``, which is under 0 at the end, passes 0; -1 where it never is above."""
    if falls(start) <= 0:
        return -1.0
    return float(brentq(falls, start, end, xtol=1e-10))


def mean_difference(values: FloatArray, confidence: float = 0.95) -> Estimate:
    """The mean of paired differences with Student's interval; no interval for fewer than two.

    >>> found = mean_difference(np.array([0.0, 0.2, 0.1, 0.1]))
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.1, -0.03, 0.23)
    """
    n = len(values)
    if n == 0:
        return UNKNOWN
    mean = float(values.mean())
    if n == 1:
        return Estimate(value=mean, low=None, high=None, n=1)
    half = float(stdtrit(n - 1, 0.5 + confidence / 2) * values.std(ddof=1) / math.sqrt(n))
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n)


def calibration_error(scores: FloatArray, right: BoolArray) -> float | None:
    """The mean gap between scores and the share that was right, over ten bins of equal counts.

    None without answers. It is never negative, so it is above 0 for a calibrated model too: to be
    shown, not to be tested.
    """
    if not len(scores):
        return None
    order = np.argsort(scores, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    gaps = [abs(scores[rows].mean() - right[rows].mean()) * len(rows) for rows in bins]
    return float(sum(gaps) / len(scores))
