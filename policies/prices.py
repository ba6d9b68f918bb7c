"""What labelling costs beside people's work."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from policies.sections import Section

_Price = Annotated[float, Field(ge=0)]


class Prices(Section):
    """Prices in the currency of the tiers' ``cost_per_label``."""

    tooling_per_label: _Price = Field(
        default=0.0, description="Seats and storage, per human label."
    )
    compute_per_prediction: _Price = 0.0
    compute_per_training: _Price = 0.0
