"""Between which correction rates pre-labels are worth showing, and the threshold is right."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from policies.domain import Estimate
from policies.sections import Section


class CorrectionBands(Section):
    """Outside of the band something should change: the threshold under it, the model over it."""

    low: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="Under it people confirm what could have been accepted."
    )
    high: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.30, description="Over it the pre-labels do not help."
    )

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low >= self.high:
            raise ValueError(
                f"corrections.low = {self.low:g} must be below corrections.high = {self.high:g}: "
                "no correction rate lies between them"
            )
        return self


class Band(StrEnum):
    """Where a correction rate lies, for all that its interval holds."""

    UNDER = "under"
    WITHIN = "within"
    OVER = "over"
    UNCERTAIN = "uncertain"


_MEANING = {
    Band.UNDER: "people confirm what could be accepted: the threshold may be too cautious",
    Band.WITHIN: "pre-labels help, and people find something to correct",
    Band.OVER: "the pre-labels do not help: the model or the guideline must change",
    Band.UNCERTAIN: "the interval reaches across a bound: more answers will tell",
}


def band_of(rate: Estimate, bands: CorrectionBands) -> Band:
    """Where the whole interval lies; a value beyond a bound says nothing while a bound does not.

    >>> band_of(Estimate(value=0.5, low=0.2, high=0.8, n=10), CorrectionBands()).value
    'uncertain'
    """
    if rate.low is None or rate.high is None:
        return Band.UNCERTAIN
    if rate.high < bands.low:
        return Band.UNDER
    if rate.low > bands.high:
        return Band.OVER
    return Band.WITHIN if bands.low <= rate.low and rate.high <= bands.high else Band.UNCERTAIN


def meaning(band: Band, rate: Estimate) -> str:
    """The same in words."""
    return "nobody has answered a shown pre-label yet" if rate.n == 0 else _MEANING[band]
