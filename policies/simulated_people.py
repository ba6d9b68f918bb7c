"""The people of a simulation: how often each tier errs, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from policies.sections import Section, Text

_ErrorRate = Annotated[float, Field(ge=0, lt=1)]


class SimulatedPeople(Section):
    """What `labelgate simulate` takes people for; perfect unless this says otherwise."""

    error_rate: dict[Text, _ErrorRate] = Field(
        default={}, description="From the tier to the share of its answers that are wrong."
    )
    confusion: Literal["uniform", "neighbour"] = Field(
        default="uniform",
        description="A wrong answer is any other label, or always the same one for each label.",
    )
