"""The time that a report is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS_OF_A_QUARTER = 3
_DECEMBER = 12


class PeriodError(ValueError):
    """The words name no period; the message says what does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``start`` up to, and without, ``end``; both UTC."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime | None) -> bool:
        """Whether something happened in it."""
        return moment is not None and self.start <= moment < self.end

    def overlaps(self, start: datetime, end: datetime | None) -> bool:
        """Whether something that lasted from ``start`` to ``end`` (None: still) was true in it."""
        return start < self.end and (end is None or end >= self.start)

    def has_week(self, week: str) -> bool:
        """Whether a day of an ISO week such as 2026-W39 is in it."""
        year, number = week.split("-W")
        first, end = _week(int(year), int(number))
        return _midnight(first) < self.end and _midnight(end) > self.start

    @property
    def says(self) -> str:
        """In words.

        >>> named("2026-11", datetime(2026, 12, 24, tzinfo=UTC)).says
        'from 2026-11-01 00:00 to 2026-12-01 00:00 UTC'
        """
        start = "the beginning" if self.start == EVER else f"{self.start:%Y-%m-%d %H:%M}"
        return f"from {start} to {self.end:%Y-%m-%d %H:%M} UTC"


def between(since: str | None, until: str | None, now: datetime) -> Period:
    """From a date or moment to another; a date as the end means to the end of that day.

    None is the beginning, and now.

    >>> between("2026-11-01", "2026-11-30", datetime(2026, 12, 24, tzinfo=UTC)).says
    'from 2026-11-01 00:00 to 2026-12-01 00:00 UTC'
    """
    start = EVER if since is None else _moment(since)
    end = now if until is None else _moment(until)
    if until is not None and _is_date(until):
        end += timedelta(days=1)
    return _checked(start, end, now)


def named(name: str, now: datetime) -> Period:
    """A year, quarter, month, ISO week or day by its usual name, UTC.

    Raises ``PeriodError`` where it is none of them, or has not begun yet.

    >>> named("2026-Q3", datetime(2026, 12, 24, tzinfo=UTC)).says
    'from 2026-07-01 00:00 to 2026-10-01 00:00 UTC'
    >>> named("2026-W01", datetime(2026, 12, 24, tzinfo=UTC)).says
    'from 2025-12-29 00:00 to 2026-01-05 00:00 UTC'
    """
    for pattern, days in _NAMES:
        if found := re.fullmatch(pattern, name.strip()):
            try:
                start, end = days(*map(int, found.groups()))
            except ValueError:
                break
            return _checked(_midnight(start), _midnight(end), now)
    raise PeriodError(
        f"{name!r} names no period: write a year (2026), a quarter (2026-Q3), a month (2026-09), "
        "an ISO week (2026-W39) or a day (2026-09-30)"
    )


def _year(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year + 1, 1, 1)


def _quarter(year: int, quarter: int) -> tuple[date, date]:
    first, _ = _month(year, (quarter - 1) * _MONTHS_OF_A_QUARTER + 1)
    _, end = _month(year, quarter * _MONTHS_OF_A_QUARTER)
    return first, end


def _month(year: int, month: int) -> tuple[date, date]:
    following = date(year + 1, 1, 1) if month == _DECEMBER else date(year, month + 1, 1)
    return date(year, month, 1), following


def _week(year: int, week: int) -> tuple[date, date]:
    first = date.fromisocalendar(year, week, 1)
    return first, first + timedelta(days=7)


def _day(year: int, month: int, day: int) -> tuple[date, date]:
    return date(year, month, day), date(year, month, day) + timedelta(days=1)


_NAMES = (
    (r"(\d{4})", _year),
    (r"(\d{4})-[Qq]([1-4])", _quarter),
    (r"(\d{4})-(\d\d)", _month),
    (r"(\d{4})-[Ww](\d\d)", _week),
    (r"(\d{4})-(\d\d)-(\d\d)", _day),
)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise PeriodError(
            f"{text!r} is no time: write a day such as 2026-09-30, or a moment such as "
            "2026-09-30T18:00 (UTC unless it says otherwise)"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()) is not None


def _checked(start: datetime, end: datetime, now: datetime) -> Period:
    """A period that goes on ends now: what is to come is no evidence."""
    if end <= start:
        raise PeriodError(f"the period ends ({end:%Y-%m-%d}) before it begins ({start:%Y-%m-%d})")
    if start > now:
        raise PeriodError(f"the period begins on {start:%Y-%m-%d}, which has not come yet")
    return Period(start=start, end=min(end, now))
