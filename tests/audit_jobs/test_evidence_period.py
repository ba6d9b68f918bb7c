"""Which time a report is about: names, days and moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_jobs.evidence.period import EVER, Period, PeriodError, between, named

NOW = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
DAYS = st.dates(date(2001, 1, 1), date(2026, 12, 23))


@given(DAYS)
def test_every_name_of_a_day_holds_that_day(day: date) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    year, week, _ = day.isocalendar()
    quarter = (day.month + 2) // 3
    names = [f"{day:%Y}", f"{day:%Y}-Q{quarter}", f"{day:%Y-%m}", f"{year}-W{week:02d}"]
    for name in [*names, day.isoformat()]:
        found = named(name, NOW)
        assert found.holds(noon), name
    assert named(day.isoformat(), NOW).end - named(day.isoformat(), NOW).start <= timedelta(days=1)


@given(DAYS)
def test_weeks_of_a_period_are_those_that_reach_into_it(day: date) -> None:
    period = named(day.isoformat(), NOW)
    year, week, _ = day.isocalendar()
    assert period.has_week(f"{year}-W{week:02d}")
    other = (day + timedelta(days=7)).isocalendar()
    assert not period.has_week(f"{other[0]}-W{other[1]:02d}")


def test_a_period_that_goes_on_ends_now() -> None:
    assert named("2026", NOW).end == NOW
    assert between(None, None, NOW) == Period(start=EVER, end=NOW)


def test_the_last_day_is_part_of_it() -> None:
    found = between("2026-11-01", "2026-11-30", NOW)
    assert found.holds(datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    assert not found.holds(datetime(2026, 12, 1, tzinfo=UTC))


def test_a_moment_may_name_its_zone() -> None:
    found = between("2026-11-01T00:00+02:00", "2026-11-02T00:00", NOW)
    assert (found.start, found.end) == (
        datetime(2026, 10, 31, 22, tzinfo=UTC),
        datetime(2026, 11, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("last month", "names no period: write a year (2026)"),
        ("2026-13", "names no period"),
        ("2026-W54", "names no period"),
        ("2026-Q5", "names no period"),
        ("2026-02-30", "names no period"),
        ("9999", "names no period"),
        ("", "names no period"),
        ("2027", "has not come yet"),
    ],
)
def test_what_names_no_period_is_told(name: str, says: str) -> None:
    with pytest.raises(PeriodError) as told:
        named(name, NOW)
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("yesterday", None, "'yesterday' is no time: write a day such as 2026-09-30"),
        ("2026-11-30", "2026-11-01", "the period ends (2026-11-02) before it begins (2026-11-30)"),
        ("2027-01-01", None, "before it begins"),
    ],
)
def test_what_is_no_time_is_told(since: str, until: str | None, says: str) -> None:
    with pytest.raises(PeriodError) as told:
        between(since, until, NOW)
    assert says in str(told.value)
