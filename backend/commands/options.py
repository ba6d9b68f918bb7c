"""Options that several commands share."""

from __future__ import annotations

import math

import click


class Between(click.ParamType[float]):
    """A number strictly between two others; not a number is outside."""

    name = "number"

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; a usage error where it is none, or outside."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not self.low < number < self.high:
            self.fail(f"{value!r} must lie between {self.low:g} and {self.high:g}", param, ctx)
        return number


MAX_ERROR = Between(0, 0.5)  # the same bounds as in a policy
CONFIDENCE = Between(0.5, 1)
