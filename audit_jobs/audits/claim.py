"""The standing promise as audits see it: proved, broken, or how many more audits it takes."""

from __future__ import annotations

from typing import Any

from policies.claims import sample_size
from policies.domain import BoolArray, FloatArray
from policies.error_bounds import ErrorBounds, error_bounds

HOLDS, BROKEN = "holds", "broken"


def claim_of(
    wrong: BoolArray, chances: FloatArray, max_error_rate: float, confidence: float
) -> dict[str, Any]:
    """The claim that at most ``max_error_rate`` of the accepts is wrong, by these audits.

    ``low`` and ``high`` bound the error rate, each at ``confidence``; ``needed`` is how many audits
    prove the claim with the errors that were found.
    """
    found = error_bounds(wrong, chances, confidence)
    return {
        "max_error_rate": max_error_rate,
        "confidence": confidence,
        "audits": found.audits,
        "errors": found.errors,
        "low": found.low,
        "high": found.high,
        "needed": sample_size(max_error_rate, confidence, found.errors),
        "decided": _decided(found, max_error_rate),
    }


def _decided(found: ErrorBounds, max_error_rate: float) -> str | None:
    """What a bound says, None while audits leave it open."""
    if found.high is not None and found.high <= max_error_rate:
        return HOLDS
    return BROKEN if found.low is not None and found.low > max_error_rate else None
