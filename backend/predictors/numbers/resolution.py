"""The steps that people's numbers go in: whole ones, halves, tens, cents."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np

from policies.answer_texts import number_text
from policies.domain import FloatArray, ObjectArray

_MOST_DECIMALS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Numbers go in multiples of ``step`` from ``lowest`` to ``highest``, both included."""

    step: float
    lowest: float
    highest: float

    def nearest(self, values: FloatArray) -> FloatArray:
        """The nearest number in range that people could have said."""
        decimals = min(_MOST_DECIMALS, max(0, -_exponent(self.step)))
        rounded = np.round(np.rint(values / self.step) * self.step, decimals)
        nearest: FloatArray = np.clip(rounded, self.lowest, self.highest)
        return nearest

    def texts(self, values: FloatArray) -> ObjectArray:
        """Numbers as answers."""
        texts = np.empty(len(values), object)
        texts[:] = [number_text(value) for value in values.tolist()]
        return texts


def steps_of(answers: Iterable[str]) -> Steps:
    """The largest step that all answers are multiples of, and their range.

    ValueError where an answer is no finite number.

    >>> steps_of(["0.5", "2", "3.5"])
    Steps(step=0.5, lowest=0.5, highest=3.5)
    """
    numbers = [_decimal(answer) for answer in answers]
    decimals = min(_MOST_DECIMALS, max(0, *(-_exponent(number) for number in numbers)))
    scale = Decimal(10) ** decimals
    step = math.gcd(*(int((number * scale).to_integral_value()) for number in numbers))
    return Steps(
        step=float(Decimal(max(1, step)) / scale),
        lowest=float(min(numbers)),
        highest=float(max(numbers)),
    )


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not a number: {text[:100]!r}") from error
    if not number.is_finite() or not math.isfinite(float(number)):
        raise ValueError(f"not a finite number: {text[:100]!r}")
    return number


def _exponent(number: Decimal | float) -> int:
    """The power of ten of a number's last digit that is not 0."""
    exponent = Decimal(repr(number) if isinstance(number, float) else number).normalize()
    power = exponent.as_tuple().exponent
    return power if isinstance(power, int) else 0
