"""The standing promise as audits see it: proved, broken, or how many more audits it takes."""

from __future__ import annotations

from typing import Any

from policies.claims import further_audits, judge_claim
from policies.domain import BoolArray, FloatArray
from policies.error_bounds import error_bounds


def claim_of(
    wrong: BoolArray, chances: FloatArray, max_error_rate: float, confidence: float
) -> dict[str, Any]:
    """The claim that at most ``max_error_rate`` of the accepts is wrong, by these audits.

    ``low`` and ``high`` bound the error rate, each at ``confidence`` for somebody who looks once;
    ``decided`` holds for somebody who looks after every audit. ``needed`` is how many audits it
    takes in all, with the errors that were found and no other.
    """
    found = error_bounds(wrong, chances, confidence)
    claim = judge_claim(wrong, max_error_rate, confidence, 1 / chances)
    more = further_audits(max_error_rate, confidence, found.audits, found.errors)
    return {
        "max_error_rate": max_error_rate,
        "confidence": confidence,
        "audits": found.audits,
        "errors": found.errors,
        "low": found.low,
        "high": found.high,
        "needed": found.audits + more,
        "evidence_for": claim.evidence_for,
        "evidence_against": claim.evidence_against,
        "decided": claim.decided,
    }
