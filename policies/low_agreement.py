"""When people agree too little: the policy's minimum against what was measured."""

from __future__ import annotations

from enum import StrEnum

from policies.domain import Estimate

# Fewer tasks than this tell nothing: of two, one quarrel would be an alert, and so few resamples
# spread too little for their interval to be believed.
LEAST_TASKS = 10


class Standing(StrEnum):
    """Where a measured alpha stands to the minimum."""

    CERTAIN = "certain"  # under it, with the whole interval
    LIKELY = "likely"  # under it, but the interval reaches it
    FINE = "fine"
    UNKNOWN = "unknown"  # undefined, or too few tasks to tell


def standing(alpha: Estimate, minimum: float) -> Standing:
    """Compare alpha with the least that the policy asks for.

    >>> str(standing(Estimate(value=0.5, low=0.4, high=0.6, n=90), 0.67))
    'certain'
    >>> str(standing(Estimate(value=0.6, low=0.4, high=0.8, n=30), 0.67))
    'likely'
    >>> str(standing(Estimate(value=None, low=None, high=None, n=0), 0.67))
    'unknown'
    """
    if alpha.value is None or alpha.n < LEAST_TASKS:
        return Standing.UNKNOWN
    if alpha.high is not None and alpha.high < minimum:
        return Standing.CERTAIN
    return Standing.LIKELY if alpha.value < minimum else Standing.FINE
