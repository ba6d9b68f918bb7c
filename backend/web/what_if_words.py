"""How the figures of a what-if read: numbers in their units, differences with sign and word."""

from __future__ import annotations

from collections.abc import Callable

from policies.domain import Estimate
from policies.samples import TierFigures

SAME = "the same"
UNKNOWN = "unknown"
_MINUS = "\N{MINUS SIGN}"


def difference(now: float | None, then: float | None, told: Callable[[float], str]) -> str:
    """How a figure differs, with a sign and a word.

    >>> difference(10, 12, count), difference(3, 3, count)
    ('+2, more', 'the same')
    >>> difference(12, 10, count)[1:]  # after a minus sign
    '2, less'
    """
    if now is None or then is None:
        return SAME if now is then else "not comparable"
    apart = told(abs(then - now))
    if apart == told(0.0):
        return SAME
    return f"+{apart}, more" if then > now else f"{_MINUS}{apart}, less"


def percent(share: float | None) -> str:
    """One digit: shares of tasks."""
    return UNKNOWN if share is None else f"{share:.1%}".replace("%", " %").replace("-", _MINUS)


def fine_percent(share: float | None) -> str:
    """Two digits: rates of errors."""
    return UNKNOWN if share is None else f"{share:.2%}".replace("%", " %")


def points(share: float) -> str:
    """A difference of shares."""
    return f"{100 * share:.1f} points"


def fine_points(share: float) -> str:
    """A difference of rates of errors."""
    return f"{100 * share:.2f} points"


def money(amount: float | None) -> str:
    """In the policy's currency, which has no name."""
    return (
        UNKNOWN if amount is None else f"{amount:,.2f}" if abs(amount) < 100 else f"{amount:,.0f}"
    )


def count(number: float | None) -> str:
    """A whole number of tasks, labels or days."""
    return UNKNOWN if number is None else f"{round(number):,}"


def hours(number: float | None) -> str:
    """People's time."""
    if number is None:
        return UNKNOWN
    return f"{number:,.1f} h" if number < 100 else f"{number:,.0f} h"


def days(number: int) -> str:
    """How long a queue takes.

    >>> days(1), days(1200)
    ('1 day', '1,200 days')
    """
    return f"{number:,} day" if number == 1 else f"{number:,} days"


def days_between(tier: TierFigures) -> str:
    """The days at the ends of the interval; nothing where they are the same."""
    if tier.days_low == tier.days_high:
        return ""
    return f"{tier.days_low:,} to {tier.days_high:,}"


def between(estimate: Estimate, told: Callable[[float | None], str]) -> str:
    """The interval in the figure's unit; nothing where there is none, or where it has no width."""
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = told(estimate.low), told(estimate.high)
    return "" if low == high else f"{low} to {high}"
