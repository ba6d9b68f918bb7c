"""The two numbers of a promise in words that promise neither more nor less than it does."""

from __future__ import annotations

import math

_MOST_DIGITS = 6


def promised_rate(share: float) -> str:
    """A rate that a policy gives, to the digit; one of 0.04 % must not read as none.

    >>> promised_rate(0.05), promised_rate(0.0125), promised_rate(0.0004)
    ('5.0%', '1.25%', '0.04%')
    """
    for digits in range(1, _MOST_DIGITS):
        text = f"{share:.{digits}%}"
        if math.isclose(float(text[:-1]) / 100, share, rel_tol=1e-9):
            return text
    return f"{share:.{_MOST_DIGITS}%}"


def certainty(confidence: float) -> str:
    """A confidence, short, but never as if it were sure.

    >>> certainty(0.95), certainty(1 - 0.05 / 3), certainty(0.9999)
    ('95.0%', '98.3%', '99.99%')
    """
    for digits in range(1, _MOST_DIGITS):
        text = f"{confidence:.{digits}%}"
        if not text.startswith("100"):
            return text
    return f"{confidence:.{_MOST_DIGITS}%}"
