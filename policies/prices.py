"""What labelling costs beside people's work."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from policies.sections import Section

_Price = Annotated[float, Field(ge=0)]


class Prices(Section):
    """Prices in the currency of the tiers' ``cost_per_label``; what is left out costs nothing."""

    tooling_per_label: _Price = Field(
        default=0.0, description="Seats and storage, for every look that a person takes."
    )
    compute_per_prediction: _Price = Field(
        default=0.0, description="One version's answer to one task."
    )
    compute_per_training: _Price = Field(
        default=0.0, description="Training one version, promoted or not."
    )
