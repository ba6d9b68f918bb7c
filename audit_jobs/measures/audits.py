"""The share of accepted labels that is right, from audits drawn with known chances.

Labels that few audits would reach are drawn with a higher chance, so the plain share of the audits
that passed is the share of the labels that were audited, not of those that were accepted. Each
audit counts as many labels as it stands for: one over its chance (Horvitz and Thompson 1952).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from policies.domain import BoolArray, Estimate, FloatArray, ObjectArray
from policies.intervals import UNKNOWN, wilson_bounds

# As many errors as the weights alone are worth: with fewer found, their own weights say too little.
_PRIOR_ERRORS = 10
_MOST_OF_LIGHT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """The share of labels that would pass; ``estimate.n`` counts the audits.

    ``effective_n`` is how many audits of equal chances would say as much by the weights alone, as
    where errors have nothing to do with them (Kish 1965); 0 for none.
    """

    estimate: Estimate
    effective_n: float


def pass_rate(
    passed: BoolArray,
    inclusion_probabilities: FloatArray,
    *,
    population: int | None = None,
    confidence: float = 0.95,
) -> PassRate:
    """The weighted share of audits that passed, with Wilson's interval on their effective number.

    It is the ratio sum(w * passed) / sum(w): how many audits a hash draws is random, and dividing
    by the population instead would let that number move the rate, even above 1. Where the
    ``population`` that was drawn from is known, the interval is about these labels alone (finite
    population correction: an audited label leaves nothing open), else about all that are alike.

    Errors do have to do with the chances where rare labels are audited more: Kish's number alone
    covers 98 % where the errors are among light weights, and 93 % where they are among heavy ones.
    With each error found, by its weight, the interval leans more on what the errors' own weights
    say of it (Korn and Graubard 1998): it covers 94 to 97 %. Errors of labels that are all audited,
    counted whole, would leave 90 to 92 % where other labels stand for two hundred each.

    >>> found = pass_rate(np.array([True, True, False]), np.array([0.1, 0.1, 0.5]))
    >>> round(found.estimate.value, 3), round(found.effective_n, 2)
    (0.909, 2.37)

    Raises
        ValueError: a probability outside (0, 1], columns that differ in length, a population
            smaller than the audits.
    """
    passed = np.asarray(passed, dtype=np.bool_)
    chances = np.asarray(inclusion_probabilities, dtype=np.float64)
    _check(passed, chances, population)
    if not len(passed):
        return PassRate(estimate=UNKNOWN, effective_n=0.0)
    weights = chances.min() / chances  # only their ratios matter, and none is beyond a float
    total = weights.sum()
    share = 1.0 if passed.all() else min(1.0, float(weights[passed].sum() / total))
    low, high = wilson_bounds(share, _worth(passed, weights, share, population), confidence)
    return PassRate(
        estimate=Estimate(value=share, low=low, high=high, n=len(passed)),
        effective_n=float(total**2 / (weights**2).sum()),
    )


def pass_rates(
    groups: ObjectArray,
    passed: BoolArray,
    inclusion_probabilities: FloatArray,
    *,
    confidence: float = 0.95,
) -> dict[str, PassRate]:
    """The pass rate of each group of audits (label, model version, slice, ...), in its order."""
    _check(passed, inclusion_probabilities, None)
    if len(groups) != len(passed):
        raise ValueError(f"{len(groups)} groups and {len(passed)} audits differ in length")
    if not len(passed):
        return {}
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    return {
        str(name): pass_rate(passed[part], inclusion_probabilities[part], confidence=confidence)
        for name, part in zip(names.tolist(), parts, strict=True)
    }


def _worth(passed: BoolArray, weights: FloatArray, share: float, population: int | None) -> float:
    """How many audits of equal chances the interval rests on; infinite where nothing is open."""
    total = float(weights.sum())
    parts = weights**2 / total**2
    if population is not None:
        # An audit says all of itself, and nothing certain of the other labels it stands for.
        parts *= np.maximum(1 - total / (weights * population), 0)
    by_weights = share * (1 - share) * float(parts.sum())
    by_errors = float((parts * (passed - share) ** 2).sum())
    seen = min(_telling(weights[passed], weights), _telling(weights[~passed], weights))
    if parts.sum() <= 0:
        return math.inf
    if seen == 0 or by_weights <= 0:
        return 1 / float(parts.sum())
    variance = (_PRIOR_ERRORS * by_weights + seen * by_errors) / (_PRIOR_ERRORS + seen)
    return share * (1 - share) / variance


def _telling(some: FloatArray, weights: FloatArray) -> float:
    """As how many these audits count that came out alike: as so many of equal weights (Kish).

    Where all of them are light, no more than ten times as many as audits of the usual weight would
    be that weigh as much: they cannot tell how often the heavy ones come out like that.
    """
    weight, squares = float(some.sum()), float((some**2).sum())
    if weight <= 0:
        return 0.0
    usual = float((weights**2).sum() / weights.sum())
    return min(weight**2 / squares, _MOST_OF_LIGHT * weight / usual)


def _check(passed: BoolArray, chances: FloatArray, population: int | None) -> None:
    if len(passed) != len(chances):
        raise ValueError(f"{len(passed)} audits and {len(chances)} chances differ in length")
    if not bool(((chances > 0) & (chances <= 1)).all()):
        raise ValueError("an inclusion probability must be above 0 and at most 1")
    if population is not None and population < len(passed):
        raise ValueError(f"{len(passed)} audits of {population} labels: there cannot be more")
