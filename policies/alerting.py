"""Alert rules: which figure, past which bound, is told to whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
]


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
