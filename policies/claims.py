"""How many audits prove a claim about an error rate.

The claim: at most ``max_error_rate`` of the labels is wrong. It is proved where so few errors in so
many audits would come up with a chance of at most ``1 - confidence`` if the claim did not hold:
one-sided and exact, by the binomial distribution, or by the hypergeometric one where audits are
drawn without replacement from a population of known size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import overload

from scipy.stats import binom, hypergeom

_ROUNDING = 1e-9  # 0.29 of 100 is 29, not 28.999999999999996


@overload
def sample_size(
    max_error_rate: float, confidence: float, errors: int = 0, population: None = None
) -> int: ...


@overload
def sample_size(
    max_error_rate: float, confidence: float, errors: int = 0, population: int | None = None
) -> int | None: ...


def sample_size(
    max_error_rate: float, confidence: float, errors: int = 0, population: int | None = None
) -> int | None:
    """The smallest number of audits that proves the claim with so many ``errors`` among them.

    With a ``population`` the audits are drawn from so many labels; None where more of these are
    wrong than the claim allows, so that no number of audits proves it.

    >>> sample_size(0.02, 0.95), sample_size(0.01, 0.95), sample_size(0.02, 0.95, errors=1)
    (149, 299, 236)
    >>> sample_size(0.02, 0.95, population=1_000)
    132

    Raises
        ValueError: a rate or confidence outside (0, 1), errors below 0, a population below 1.
    """
    _check(max_error_rate, confidence, errors, population)
    doubt = 1 - confidence
    if population is None:
        return _first(errors + 1, lambda n: bool(binom.cdf(errors, n, max_error_rate) <= doubt))
    breaking = math.floor(max_error_rate * population + _ROUNDING) + 1
    if errors >= breaking:
        return None
    # With the whole population looked at, fewer than ``breaking`` errors prove the claim.
    enough = _first(
        errors + 1,
        lambda n: (
            n >= population
            or bool(hypergeom.cdf(errors, population, min(breaking, population), n) <= doubt)
        ),
    )
    return min(enough, population)


def _first(start: int, holds: Callable[[int], bool]) -> int:
    """The first number from ``start`` on of which it holds, and of all after it: by bisection."""
    below, high = start - 1, start
    while not holds(high):
        below, high = high, 2 * high
    while high - below > 1:
        middle = (below + high) // 2
        below, high = (below, middle) if holds(middle) else (middle, high)
    return high


def _check(max_error_rate: float, confidence: float, errors: int, population: int | None) -> None:
    if not (0 < max_error_rate < 1 and 0 < confidence < 1):
        raise ValueError(
            f"max_error_rate {max_error_rate} and confidence {confidence} must lie between 0 and 1"
        )
    if errors < 0:
        raise ValueError(f"errors = {errors} is no number of errors: 0 or more is")
    if population is not None and population < 1:
        raise ValueError(f"population = {population} is no population: 1 or more labels are")
