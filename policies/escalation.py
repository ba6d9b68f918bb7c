"""The section of the policy that says which contested answers move a task one tier up.

The rule itself is ``policies.adjudication``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from policies.sections import Section


class Escalation(Section):
    """What moves a task one tier up; the top tier adjudicates."""

    minimum_consensus: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=0.67,
        description="Least share of a task's answers that must name the same label, compared to "
        "two decimals: 0.67 is two of three.",
    )
    on_skip: bool = Field(default=True, description="Whether a skipped task moves up.")
