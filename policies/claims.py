"""How many audits prove a claim about an error rate: once, or looked at after every audit.

The claim: at most ``max_error_rate`` of the labels is wrong. A sample whose size was fixed before
proves it where so few errors in so many audits would come up with a chance of at most
``1 - confidence`` if the claim did not hold: one-sided and exact, by the binomial distribution, or
by the hypergeometric one where audits are drawn without replacement from a known population.

Audits that go on for ever are looked at again and again, and more are drawn where errors turn up:
with the same bound 95 % would become 81 % by looking at every fiftieth of 2,000 audits. There the
claim is judged by bets (``policies.betting``), which hold at every look. They cost 16 audits of 149
where none is wrong (2 % at 95 %), and about 380 instead of 320 where one in two hundred is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

import numpy as np
from scipy.stats import binom, hypergeom

from policies.betting import log_factors
from policies.change_detection import higher_rates
from policies.domain import BoolArray, FloatArray

HOLDS, BROKEN = "holds", "broken"
_LARGEST = 700.0  # exp() of more is no float
_ROUNDING = 1e-9  # 0.29 of 100 is 29, not 28.999999999999996
# Error rates that are bet on for the claim, as parts of the promised one, and how much on each:
# most on none at all, which takes hardly more audits than a single look would, the rest for labels
# that are good without being perfect.
_BETTER = np.array([0.0, 0.25, 0.5])
_ON_BETTER = np.log([0.6, 0.2, 0.2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What audits say of the claim so far, whenever one looks.

    ``decided`` is "holds", "broken", or None while it is open. ``evidence_for`` and
    ``evidence_against`` are how many times more the audits speak for it, and against it, than if
    the error rate were exactly the promised one; 1 / (1 - confidence) decides.
    """

    decided: str | None
    evidence_for: float
    evidence_against: float


def judge_claim(
    wrong: BoolArray,
    max_error_rate: float,
    confidence: float,
    weights: FloatArray | None = None,
) -> Claim:
    """Judge the claim by audits in their order; ``weights`` are one over their chances.

    If the error rate is above ``max_error_rate``, "holds" is ever said with a chance of at most
    ``1 - confidence`` in all the looks there will be; so is "broken" if it is not.

    >>> judge_claim(np.zeros(164, bool), 0.02, 0.95).decided
    >>> judge_claim(np.zeros(165, bool), 0.02, 0.95).decided
    'holds'

    Raises
        ValueError: a rate or confidence outside (0, 1).
    """
    _check(max_error_rate, confidence, 0, None)
    weights = np.ones(len(wrong)) if weights is None else weights
    largest = float(weights.max()) if len(weights) else 1.0

    def evidence(rates: FloatArray, shares: FloatArray) -> float:
        gains = log_factors(wrong, max_error_rate, rates, weights, largest)
        return float(np.logaddexp.reduce(gains.sum(axis=1) + shares))

    higher = higher_rates(max_error_rate)
    evenly = np.full(len(higher), -np.log(len(higher)))
    for_it = evidence(_BETTER * max_error_rate, _ON_BETTER)
    against = evidence(higher, evenly)
    enough = -math.log(1 - confidence)
    decided = HOLDS if for_it >= enough else BROKEN if against >= enough else None
    return Claim(
        decided=decided,
        evidence_for=math.exp(min(for_it, _LARGEST)),
        evidence_against=math.exp(min(against, _LARGEST)),
    )


def further_audits(max_error_rate: float, confidence: float, audits: int, errors: int) -> int:
    """How many more audits, all of them right, it takes until ``judge_claim`` says "holds".

    All audits count alike here. 0 where they do already.

    >>> further_audits(0.02, 0.95, 0, 0), further_audits(0.02, 0.95, 165, 0)
    (165, 0)
    >>> further_audits(0.02, 0.95, 165, 1)
    214
    """
    _check(max_error_rate, confidence, errors, None)
    one = np.array([False, True])
    by_right, by_wrong = log_factors(
        one, max_error_rate, _BETTER * max_error_rate, np.ones(2), 1.0
    ).T
    # Nothing is lost where nothing was wrong: 0 times -inf is no number.
    lost = errors * by_wrong if errors else np.zeros(len(_BETTER))
    so_far = _ON_BETTER + lost + (audits - errors) * by_right
    enough = -math.log(1 - confidence)
    return _first(0, lambda more: bool(np.logaddexp.reduce(so_far + more * by_right) >= enough))


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
        below, high = high, max(1, 2 * high)
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
