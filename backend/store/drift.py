"""Drift as the store knows it: the parts of the traffic that people still see more of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.store.reports import DRIFT, newest_report
from policies.drift import RaisedSlice, decayed

_DAY = timedelta(days=1)


def raised_slices(
    session: Session, project_id: int, now: datetime, half_life_days: float
) -> list[RaisedSlice]:
    """The slices that the newest drift report raises, with what is left of each rise now."""
    report = newest_report(session, project_id, DRIFT)
    if report is None:
        return []
    return left_of(report.body.get("raised", ()), now, half_life_days)


def left_of(
    raised: list[Mapping[str, Any]] | tuple[()], now: datetime, half_life_days: float
) -> list[RaisedSlice]:
    """What is left of stored rises at a time; those that have faded are left out."""
    slices = (
        RaisedSlice(
            factor=decayed(each["factor"], _days(each["since"], now), half_life_days),
            most=each["most"],
            label=each["label"],
            field=each["field"],
            value=each["value"],
        )
        for each in raised
    )
    return [part for part in slices if part.factor > 1]


def _days(since: str, now: datetime) -> float:
    """Days gone since then; none where a clock was set back."""
    return max((now - datetime.fromisoformat(since)) / _DAY, 0.0)
