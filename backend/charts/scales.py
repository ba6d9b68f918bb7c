"""From values to places in a box: axes with round ticks, words for numbers, thinning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Unit = Callable[[float], str]
_MOST_TICKS = 6
# As wide as a letter under an axis is, and as close as two names may stand.
_LETTER, _LEAST_ROOM = 7.2, 60.0
_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values between ``low`` and ``high`` on a line from ``start`` to ``end`` of the box."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...] = ()
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is drawn; what lies outside is drawn at the edge."""
        low, high, at = (self._measured(each) for each in (self.low, self.high, value))
        inside = 0.5 if high == low else min(1.0, max(0.0, (at - low) / (high - low)))
        return round(self.start + (self.end - self.start) * inside, 1)

    def _measured(self, value: float) -> float:
        return math.log10(max(value, self.low, 1e-12)) if self.log else value


def axis_of(  # noqa: PLR0913 - what is shown, where, and how it is written
    values: Iterable[float],
    *,
    start: float,
    end: float,
    unit: Unit,
    least: float | None = None,
    most: float | None = None,
    log: bool = False,
) -> Axis:
    """The axis over these values with round ends, within ``least`` and ``most`` where given.

    >>> axis_of([0.83, 0.97], start=0, end=100, unit=percent, most=1.0).ticks[0]
    (0.8, '80 %')
    """
    finite = [each for each in values if math.isfinite(each)] or [0.0, 1.0]
    if log:
        return _log_axis(finite, start=start, end=end, unit=unit)
    low, high = min(finite), max(finite)
    low, high = low if least is None else max(least, low), high if most is None else min(most, high)
    if low == high:
        room = abs(low) * 0.1 or 0.5
        low, high = low - room, high + room
    step = _step(high - low)
    bottom = math.floor(low / step + 1e-9) * step
    top = math.ceil(high / step - 1e-9) * step
    bottom = bottom if least is None else max(least, bottom)
    top = top if most is None else min(most, top)
    count = round((top - bottom) / step)
    ticks = [bottom + step * place for place in range(count + 1)]
    kept = [each for each in ticks if each <= top + step * 1e-6]
    named = tuple((round(each, 12), unit(round(each, 12))) for each in kept)
    return Axis(low=bottom, high=top, start=start, end=end, ticks=named)


def _log_axis(values: Sequence[float], *, start: float, end: float, unit: Unit) -> Axis:
    """Powers of ten; what is not above 0 is drawn at the lower end."""
    above = [each for each in values if each > 0] or [1.0]
    bottom = math.floor(math.log10(min(above)) + 1e-9)
    top = max(bottom + 1, math.ceil(math.log10(max(above)) - 1e-9))
    stride = math.ceil((top - bottom) / (_MOST_TICKS - 1))
    ticks = tuple(
        (10.0**power, unit(10.0**power)) for power in range(bottom, top + 1, max(1, stride))
    )
    return Axis(low=10.0**bottom, high=10.0**top, start=start, end=end, ticks=ticks, log=True)


def _step(width: float) -> float:
    rough = width / (_MOST_TICKS - 1)
    scale = 10.0 ** math.floor(math.log10(rough))
    return next(scale * each for each in _STEPS if scale * each >= rough * (1 - 1e-9))


def percent(share: float) -> str:
    """A share in percent, with a digit more where it is small.

    >>> percent(0.5), percent(0.9341), percent(0.00251)
    ('50 %', '93.4 %', '0.25 %')
    """
    return f"{round(100 * share, 1 if abs(share) >= 0.01 else 2):g} %"


def count(value: float) -> str:
    """A number of things.

    >>> count(1200), count(0.25)
    ('1,200', '0.25')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def coefficient(value: float) -> str:
    """A figure that is no share.

    >>> coefficient(0.8)
    '0.800'
    """
    return f"{value:.3f}"


def money(value: float) -> str:
    """An amount in the currency of the policy.

    >>> money(0), money(0.5), money(1234.5)
    ('0', '0.50', '1,234')
    """
    whole = abs(value) >= 1_000 or value == round(value)
    return f"{value:,.0f}" if whole else f"{value:,.2f}"


def points(share: float) -> str:
    """A difference of two shares.

    >>> points(0.012), points(0.0)
    ('+1.2 points', '0 points')
    """
    return f"{100 * share:+.3g} points" if share else "0 points"


def hours(number: float) -> str:
    """A time.

    >>> hours(1.5), hours(0.004), hours(441.23)
    ('1.5 h', '0.004 h', '441 h')
    """
    return f"{number:,.0f} h" if number >= 100 else f"{number:.3g} h"


def seconds(number: float) -> str:
    """A short time.

    >>> seconds(12.34)
    '12.3 s'
    """
    return f"{number:,.3g} s" if number < 1_000 else f"{number:,.0f} s"


def shortened(text: str, most: int) -> tuple[str, str]:
    """The text as far as there is room, and all of it where it had to be cut.

    >>> shortened("a very long label", 8), shortened("short", 8)
    (('a very …', 'a very long label'), ('short', ''))
    """
    return (text, "") if len(text) <= most else (text[: most - 2].rstrip() + " …", text)


def roomy(names: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Of names at places, in their order, those that do not lie on each other.

    >>> roomy([(0.0, "0 %"), (10.0, "1 %"), (80.0, "8 %")])
    [(0.0, '0 %'), (80.0, '8 %')]
    """
    free = -math.inf
    kept = []
    for place, text in names:
        half = max(_LEAST_ROOM, _LETTER * len(text)) / 2
        if place - half >= free:
            kept.append((place, text))
            free = place + half
    return kept


def thinned(values: Sequence[float], most: int) -> list[int]:
    """The places to draw of a long row, so that no peak is lost: each stretch's ends and extremes.

    >>> thinned([0, 9, 0, 0, 0, -9, 0, 0], 4)
    [0, 1, 5, 7]
    """
    if len(values) <= most:
        return list(range(len(values)))
    stretches = max(1, (most - 2) // 2)
    kept = {0, len(values) - 1}
    for place in range(stretches):
        start = place * len(values) // stretches
        stretch = range(start, (place + 1) * len(values) // stretches)
        kept.add(min(stretch, key=lambda at: values[at]))
        kept.add(max(stretch, key=lambda at: values[at]))
    return sorted(kept)
