"""Intervals for shares: the one place where a count becomes an ``Estimate``."""

from __future__ import annotations

import math

from scipy.special import ndtri
from scipy.stats import beta

from policies.domain import Estimate

UNKNOWN = Estimate(value=None, low=None, high=None, n=0)


def wilson(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """A share with its two-sided Wilson score interval (Wilson 1927); undefined for n = 0.

    A tie that counts by halves makes ``successes`` a fraction.

    >>> estimate = wilson(9, 10)
    >>> round(estimate.low, 3), round(estimate.high, 3)
    (0.596, 0.982)
    """
    _check(successes, n)
    if n == 0:
        return UNKNOWN
    low, high = wilson_bounds(successes / n, n, confidence)
    return Estimate(value=successes / n, low=low, high=high, n=n)


def wilson_bounds(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """The same interval of a share that ``n`` observations are worth, a number that may be broken.

    Weighted observations are worth fewer than they are; ``n`` may be infinite, never 0.
    """
    if math.isinf(n):
        return share, share
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def exact_upper(errors: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson upper bound of an error rate; 1.0 where nothing was seen."""
    _check(errors, n)
    return 1.0 if errors == n else float(beta.ppf(confidence, errors + 1, n - errors))


def exact_lower(errors: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson lower bound of an error rate; 0.0 where nothing was seen."""
    _check(errors, n)
    return 0.0 if errors == 0 else float(beta.ppf(1 - confidence, errors, n - errors + 1))


def _check(successes: float, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share: 0 <= successes <= n must hold")
