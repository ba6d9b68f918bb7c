"""The alerts of monitoring: a deployed model decays, or what it is asked has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from audit_jobs.measures.decay import Decay
from audit_jobs.monitoring.looks import Look
from backend.store.alerts import Alert

DECAY, DRIFT = "production_decay", "production_drift"
TRAFFIC = "production traffic"
# Verified answers given after an alarm from which they can say that it is over.
ENOUGH_TO_END = 50

Standing = Mapping[tuple[str, str], Alert]


def recovered(decay: Decay) -> bool:
    """Whether the answers that were given after the alarm are as right again as is expected.

    Of the newest answers where nothing says decay any more: what people say was corrected since.
    """
    later, expected = decay.later if decay.found else decay.now, decay.baseline
    if expected is None or later.value is None or later.n < ENOUGH_TO_END:
        return False
    return later.value >= expected.accuracy


def decay_alerts(
    decays: Mapping[str, Decay],
    current: Collection[str],
    standing: Standing,
    over: Collection[str],
    now: datetime,
) -> list[Alert]:
    """The alerts to store now, one for each version that decays while it answers.

    One is over where the version is among those that are ``over``, as right again as is expected,
    where it is as right and nothing says decay any more, or where it answers no more; a bound that
    only just gives way ends none.
    """
    due = [
        alert.over(f"{version} answers no more", now)
        for (name, version), alert in standing.items()
        if name == DECAY and version not in decays and version not in current
    ]
    for version, found in decays.items():
        before = standing.get((DECAY, version))
        if before is None and found.found and version in current and version not in over:
            due.append(
                _alert(DECAY, version, f"{version} {found.as_json()['says']}", found.as_json(), now)
            )
        elif before is not None and (version in over or (not found.found and recovered(found))):
            says = f"{version} is as right as is expected again: {found.as_json()['says']}"
            due.append(before.over(says, now))
        elif before is not None and version not in current:
            due.append(before.over(f"{version} answers no more", now))
    return due


def drift_alerts(
    look: Look | None, version: str | None, standing: Standing, now: datetime
) -> list[Alert]:
    """The alert to store now: it opens with a look that finds drift.

    It is over with a look without drift at days that all came later, and with another version,
    which is compared with its own first days.
    """
    before = standing.get((DRIFT, TRAFFIC))
    if before is not None and before.detail["model_version"] != version:
        says = f"{version} answers now, and is compared with its own first days"
        return [before.over(says, now)]
    if look is None:
        return []
    if before is None and look.comparison.drifted:
        detail = {
            **look.windows.as_json(),
            "features": [
                found.as_json()
                for found in look.comparison.findings
                if found.p_adjusted is not None and found.p_adjusted <= look.level
            ],
        }
        return [_alert(DRIFT, TRAFFIC, look.says, detail, now)]
    if before is None or look.comparison.drifted:
        return []
    if look.windows.window[0].isoformat() > before.detail["window"][1]:
        return [before.over("production is again as it was at first", now)]
    return []


def _alert(name: str, about: str, says: str, detail: dict[str, Any], now: datetime) -> Alert:
    return Alert(name=name, about=about, opened=True, says=says, detail=detail, made_at=now)
