"""The standing promise as audits see it: proved, broken, or how many more audits it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from audit_jobs.measures.audits import PassRate
from policies.claims import sample_size
from policies.intervals import exact_lower, exact_upper

HOLDS, BROKEN = "holds", "broken"
_ROUNDING = 1e-6  # 149 equal weights are worth 149 audits, not 148.99999999999997


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """At most ``max_error_rate`` of the accepts is wrong; each bound is one-sided and exact.

    ``low`` and ``high`` bound the error rate at ``confidence`` each (None: nothing was audited).
    They are taken with as many audits of equal chances as the audits are worth, ``audits`` of them
    with ``errors`` wrong, both rounded to the side that proves less. ``needed`` is how many audits
    prove the claim with the errors that were found.
    """

    max_error_rate: float
    confidence: float
    audits: int
    errors: int
    low: float | None
    high: float | None
    needed: int

    @property
    def decided(self) -> str | None:
        """``HOLDS`` or ``BROKEN`` where a bound says so, None while audits leave it open."""
        if self.high is not None and self.high <= self.max_error_rate:
            return HOLDS
        return BROKEN if self.low is not None and self.low > self.max_error_rate else None

    def as_json(self) -> dict[str, Any]:
        """Under the names of the fields, with what is decided."""
        return {
            "max_error_rate": self.max_error_rate,
            "confidence": self.confidence,
            "audits": self.audits,
            "errors": self.errors,
            "low": self.low,
            "high": self.high,
            "needed": self.needed,
            "decided": self.decided,
        }


def claim_of(found: PassRate, errors: int, max_error_rate: float, confidence: float) -> Claim:
    """The claim by a pass rate, of which ``errors`` audits did not pass."""
    low = high = None
    if found.estimate.value is not None:
        worth = found.effective_n
        wrong = (1 - found.estimate.value) * worth
        audits = max(1, math.floor(worth + _ROUNDING))
        high = exact_upper(min(audits, math.ceil(wrong - _ROUNDING)), audits, confidence)
        low = exact_lower(math.floor(wrong + _ROUNDING), math.ceil(worth - _ROUNDING), confidence)
    return Claim(
        max_error_rate=max_error_rate,
        confidence=confidence,
        audits=found.estimate.n,
        errors=errors,
        low=low,
        high=high,
        needed=sample_size(max_error_rate, confidence, errors),
    )
