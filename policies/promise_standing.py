"""Whether the promise of auto-accept holds, in a word and in sentences, as audits see it by now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.claims import BROKEN
from policies.promise_words import promised_rate
from policies.promises import AutoAccept


class Kept(StrEnum):
    """Whether what is promised holds."""

    HELD = "held"
    BROKEN = "broken"
    UNKNOWN = "not yet known"
    NOTHING = "nothing promised"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditsSay:
    """What audits came to, as the audit job reports it of the promise ``max_error_rate``.

    ``value`` is the share of accepts that is wrong, ``low`` and ``high`` bound it; ``needed`` is
    how many audits it takes in all to prove the promise, ``decided`` what they have decided for
    somebody who looks after every audit.
    """

    max_error_rate: float
    audits: int
    errors: int
    value: float | None
    low: float
    high: float
    needed: int
    decided: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseStanding:
    """The promise and what audits show, in words."""

    kept: Kept
    promised: str
    shown: str

    @property
    def shown_short(self) -> str:
        """The share that audits found wrong alone; nothing where none was answered."""
        _, _, said = self.shown.partition("audits: ")
        return said.partition(";")[0]


def promise_standing(
    rule: AutoAccept | None, audits: AuditsSay | None, suspended: int
) -> PromiseStanding:
    """How the promise stands; ``suspended`` groups of answers are not accepted by the breaker.

    It is broken where the breaker has tripped or where the audits decided so, held where their
    interval lies under what is promised.

    >>> rule = AutoAccept(max_error_rate=0.05, confidence=0.95)
    >>> few = AuditsSay(max_error_rate=0.05, audits=20, errors=1, value=0.05, low=0.001, high=0.249,
    ...                 needed=93, decided=None)
    >>> standing = promise_standing(rule, few, 0)
    >>> standing.kept, standing.promised
    (<Kept.UNKNOWN: 'not yet known'>, 'at most 5.0 % of accepted labels are wrong, 95 % sure')
    >>> standing.shown
    'audits: 5.0 % wrong (0.1 to 24.9), 1 of 20; about 73 more without an error tell'
    """
    if rule is None:
        return PromiseStanding(
            kept=Kept.NOTHING, promised="a person confirms every label", shown=""
        )
    return PromiseStanding(
        kept=_kept(rule, audits, suspended),
        promised=_promised(rule),
        shown=_shown(rule, audits, suspended),
    )


def _kept(rule: AutoAccept, audits: AuditsSay | None, suspended: int) -> Kept:
    if suspended:
        return Kept.BROKEN
    if audits is None or audits.audits == 0:
        return Kept.UNKNOWN
    of_this_promise = audits.max_error_rate == rule.max_error_rate
    if audits.low > rule.max_error_rate or (of_this_promise and audits.decided == BROKEN):
        return Kept.BROKEN
    return Kept.HELD if audits.high <= rule.max_error_rate else Kept.UNKNOWN


def _promised(rule: AutoAccept) -> str:
    own = sum(each.max_error_rate is not None for each in rule.labels.values())
    more = "" if not own else f"; {own} label{'s have their' if own > 1 else ' has its'} own"
    return (
        f"at most {promised_rate(rule.max_error_rate)[:-1]} % of accepted labels are wrong, "
        f"{100 * rule.confidence:g} % sure{more}"
    )


def _shown(rule: AutoAccept, audits: AuditsSay | None, suspended: int) -> str:
    stopped = "" if not suspended else "the breaker has tripped, so less is accepted; "
    if audits is None or audits.audits == 0 or audits.value is None:
        return f"{stopped}no audit has been answered yet"
    said = (
        f"{stopped}audits: {100 * audits.value:.1f} % wrong ({100 * audits.low:.1f} to "
        f"{100 * audits.high:.1f}), {audits.errors:,} of {audits.audits:,}"
    )
    more = audits.needed - audits.audits
    if _kept(rule, audits, suspended) is Kept.UNKNOWN and more > 0:
        said += f"; about {more:,} more without an error tell"
    return said
