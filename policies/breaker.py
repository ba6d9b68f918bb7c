"""The breaker: what stops auto-accept when audits say that the promise no longer holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from policies.promises import Group
from policies.sections import Section

# The rules that decisions of the ledger name.
SUSPENDED, RECALL = "suspended", "recall"


class Breaker(Section):
    """When the breaker trips, and what happens then."""

    average_run: Annotated[int, Field(ge=100)] = Field(
        default=2000,
        description="Audits between false alarms, on average, where exactly the promised share "
        "is wrong.",
    )
    recall: bool = Field(
        default=True,
        description="Take back at once what was accepted since the last good point; otherwise "
        "`labelgate recall` does.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Auto-accept stopped for one group of a model version's answers.

    ``good_until`` is the last good point: accepts decided later are in doubt; None: all of the
    version's are. ``reset_at`` is when somebody said why it may be certified anew; it counts again
    (``rearmed_at``) only once control answers given after the trip prove a threshold.
    """

    id: int
    model_version: str
    group: Group
    since: datetime
    statistic: float
    audits: int
    errors: int
    good_until: datetime | None
    why: str
    reset_at: datetime | None = None
    reset_why: str | None = None
    rearmed_at: datetime | None = None
