"""Between which correction rates pre-labels are worth showing, and the threshold is right."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from policies.sections import Section


class CorrectionBands(Section):
    """Outside of the band something should change: the threshold under it, the model over it."""

    low: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="Under it people confirm what could have been accepted."
    )
    high: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.30, description="Over it the pre-labels do not help."
    )
