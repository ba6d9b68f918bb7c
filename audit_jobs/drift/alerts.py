"""The alert of drift: it opens once for an event, and says why it is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from audit_jobs.drift.looking import Look
from audit_jobs.drift.raising import ALL, Slice
from backend.store.alerts import Alert
from policies.drift import DRIFT_ALERT, TRAFFIC

_MOST_NAMED = 3


def opened(look: Look, level: float, voided: int, now: datetime) -> Alert:
    """What drifted, in one sentence, with the figures behind it."""
    changed = [
        found
        for found in look.comparison.findings
        if found.p_adjusted is not None and found.p_adjusted <= level
    ]
    changed.sort(key=lambda found: found.p_adjusted or 0.0)
    names = ", ".join(found.name for found in changed[:_MOST_NAMED])
    ends = "; nothing is accepted until it is certified anew on newer control answers"
    says = (
        f"the newest {len(look.window.ids):,} tasks differ from what the model was trained for: "
        f"{names}. People see more of {_slices(look.risen)}{ends if voided else ''}"
    )
    detail: dict[str, Any] = {
        "features": [found.as_json() for found in changed],
        "window": look.figures["window"],
        "reference": look.figures["reference"],
    }
    return Alert(
        name=DRIFT_ALERT, about=TRAFFIC, opened=True, says=says, detail=detail, made_at=now
    )


def over(alert: Alert, why: str, now: datetime) -> Alert:
    """That it is over, and why."""
    return alert.over(f"drift: {why}", now)


def _slices(risen: Sequence[Slice]) -> str:
    if tuple(risen) == (ALL,):
        return "all traffic"
    named = [
        f"predicted {label!r}" if label is not None else f"{field} {value!r}"
        for label, field, value in risen[:_MOST_NAMED]
    ]
    more = f" and {len(risen) - _MOST_NAMED} more" if len(risen) > _MOST_NAMED else ""
    return ", ".join(named) + more
