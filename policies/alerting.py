"""Alert rules: which figure, past which bound, is told to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from policies.domain import Estimate
from policies.sections import Section

Watched = Literal[
    "breaker",
    "drift",
    "audit_pass_rate",
    "correction_rate",
    "agreement",
    "gold",
    "queue_days",
    "job_failed",
    "production_decay",
    "production_drift",
]
# Figures that a rule watches by itself; the jobs raise all other alerts, and some of these too.
FIGURES = ("audit_pass_rate", "correction_rate", "agreement", "queue_days", "job_failed")
# Ends the names of alerts that rules raise beside those of a job.
BOUND = "_bound"
# Told whatever the rules say: it has stopped something that people count on.
ALWAYS_TOLD = "breaker"
# Without a bound a job has failed once three runs in a row did: one is often a server restarting.
FAILED_RUNS = 2.0


class AlertRule(Section):
    """One rule; without a bound it tells of every event of that kind."""

    when: Watched = Field(description="What is watched.")
    below: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Tell where the upper end of the interval is under it."
    )
    above: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Tell where the lower end of the interval is over it."
    )
    tier: str | None = Field(
        default=None, description="The tier that is told; default: whoever reads the channel."
    )

    @property
    def watches(self) -> bool:
        """Whether the rule judges a figure itself instead of passing on what the jobs raise."""
        return self.when == "job_failed" or self.below is not None or self.above is not None

    @property
    def alert(self) -> str:
        """The name of the alert that the rule raises: of its own, so that no job closes it."""
        return self.when if self.when in ("queue_days", "job_failed") else f"{self.when}{BOUND}"

    @property
    def bounds(self) -> dict[str, float | None]:
        """The bounds in force; alerts carry them, so that each finds its rule again."""
        unset = self.when == "job_failed" and self.above is None
        return {"below": self.below, "above": FAILED_RUNS if unset else self.above}


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is told: a tier, or whoever reads the channels (None)."""

    tier: str | None = None


class Judgement(StrEnum):
    """What a figure says of its bounds."""

    PAST = "past"  # with its whole interval
    INSIDE = "inside"
    UNSURE = "unsure"  # leaves the alert as it is: what is open stays, what is not stays so


def judged(rule: AlertRule, figure: Estimate) -> Judgement:
    """Compare a figure with the rule's bounds: past them by its interval, inside by its value.

    The two differ, so a figure near a bound does not open and close an alert with every answer.

    >>> rule = AlertRule(when="audit_pass_rate", below=0.95)
    >>> str(judged(rule, Estimate(value=0.9, low=0.85, high=0.94, n=200)))
    'past'
    >>> str(judged(rule, Estimate(value=0.94, low=0.9, high=0.97, n=200)))
    'unsure'
    >>> str(judged(rule, Estimate(value=0.96, low=0.93, high=0.98, n=200)))
    'inside'
    """
    below, above = rule.bounds["below"], rule.bounds["above"]
    if figure.value is None:
        return Judgement.UNSURE
    if below is not None and figure.high is not None and figure.high < below:
        return Judgement.PAST
    if above is not None and figure.low is not None and figure.low > above:
        return Judgement.PAST
    inside = (below is None or figure.value >= below) and (above is None or figure.value <= above)
    return Judgement.INSIDE if inside else Judgement.UNSURE


def audience_of(
    rules: Sequence[AlertRule], name: str, watched: Mapping[str, Any] | None
) -> Audience | None:
    """Who is told of an alert; None where nobody is.

    ``watched`` are the bounds that an alert of a rule carries, None where a job raised it. What
    jobs raise is told by default; rules without a bound narrow that to the kinds they name. The
    breaker is always told. Rules with a bound add alerts of their own and silence nothing.

    >>> audience_of((), "drift", None)
    Audience(tier=None)
    >>> audience_of((AlertRule(when="gold"),), "drift", None) is None
    True
    """
    if watched is not None:
        own = (rule for rule in rules if rule.watches and rule.alert == name)
        found = next((rule for rule in own if rule.bounds == watched), None)
        return None if found is None else Audience(tier=found.tier)
    passing = [rule for rule in rules if not rule.watches]
    named = next((rule for rule in passing if rule.when == name), None)
    if named is not None:
        return Audience(tier=named.tier)
    return Audience() if not passing or name == ALWAYS_TOLD else None
