"""How far audits move a threshold in a night: a bounded step, on bounds of the error rate only.

Up, where audits of what is accepted prove more errors than were promised; back down, where they
prove that the promise holds, never under the threshold that control answers proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.domain import BoolArray, Certificate, FloatArray
from policies.error_bounds import ErrorBounds, error_bounds

# Fewer audits move nothing, whatever they say.
MINIMUM_AUDITS = 30
_DIGITS = 9  # 0.9 - 0.02 + 0.02 is 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedAccepts:
    """The audits of one group's accepts in columns of one length."""

    scores: FloatArray
    wrong: BoolArray
    chances: FloatArray

    def since(self, threshold: float) -> AuditedAccepts:
        """Those that would be accepted at this threshold."""
        part = self.scores >= threshold
        return AuditedAccepts(
            scores=self.scores[part], wrong=self.wrong[part], chances=self.chances[part]
        )

    def bounds(self, confidence: float) -> ErrorBounds:
        """What they say of the share of wrong accepts."""
        return error_bounds(self.wrong, self.chances, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdMove:
    """From where to where, and the bounds at the present threshold that say so."""

    start: float
    to: float
    bounds: ErrorBounds


def move_of(
    certificate: Certificate, audited: AuditedAccepts, *, floor: float, step: float
) -> ThresholdMove | None:
    """The group's move, or None where no bound asks for one.

    ``floor`` is the least score that is accepted at all. Down takes bounds at both ends: what was
    audited between them must not break the promise either, or the next night would undo it.
    """
    if certificate.threshold is None or certificate.in_force is None:
        return None
    start = max(certificate.in_force, floor)
    here = audited.since(start)
    bounds = here.bounds(certificate.confidence)
    promised = certificate.max_error_rate
    if bounds.audits < MINIMUM_AUDITS or bounds.low is None or bounds.high is None:
        return None
    if bounds.low > promised:
        to = _raised(here, start, step, promised)
        return None if to <= start else ThresholdMove(start=start, to=to, bounds=bounds)
    proved = max(certificate.threshold, floor)
    if bounds.high > promised or start <= proved:
        return None
    to = max(proved, round(start - step, _DIGITS))
    below = audited.since(to).bounds(certificate.confidence)
    if below.high is None or below.high > promised:
        return None
    return ThresholdMove(start=start, to=to, bounds=bounds)


def _raised(here: AuditedAccepts, start: float, step: float, promised: float) -> float:
    """The lowest audited score within a step from which on the errors are few enough, or the step.

    Never over 1: there is nothing above.
    """
    end = min(1.0, round(start + step, _DIGITS))
    order = np.argsort(-here.scores, kind="stable")
    scores, weights = here.scores[order], 1 / here.chances[order]
    rates = np.cumsum(weights * here.wrong[order]) / np.cumsum(weights)
    # Of equal scores the last entry has them all.
    whole = np.append(scores[1:] != scores[:-1], values=True)
    fit = whole & (scores > start) & (scores <= end) & (rates <= promised)
    return float(scores[fit].min()) if fit.any() else end
